"""The factories of a worker's models, by name."""

from collections.abc import Callable, Mapping

from botocore.config import Config
from strands.models import Model
from strands.models.bedrock import DEFAULT_READ_TIMEOUT, BedrockModel

from .._wire.model_call import DEFAULT_MODEL, MODEL_FACTORY_FAILED
from .factories import NamedFactories

ModelFactory = Callable[[], Model]
"""Makes a model on the worker, when the model is first used."""


def named_models(models: Mapping[str, ModelFactory] | None) -> NamedFactories[Model]:
    """Return the factories of `StrandsPlugin(models=...)`; with None, Strands' default model alone.

    Raises:
        TypeError: If a name is not a string, or a factory cannot be called.
        ValueError: If `models` or a name is empty.
    """
    named = NamedFactories[Model](
        "model",
        "StrandsPlugin(models=...)",
        {DEFAULT_MODEL: default_model} if models is None else models,
        Model,
        MODEL_FACTORY_FAILED,
        "SomeModel(...)",
    )
    if not named.names:
        raise ValueError(
            "StrandsPlugin: models={} names no model. Leave it out for Strands' default, or register a "
            "factory"
        )
    return named


def default_model() -> Model:
    """Return Strands' default model, Amazon Bedrock, with one attempt per call."""
    # A `boto_client_config` replaces Strands' own, so set Strands' longer `read_timeout` again.
    retries = {"total_max_attempts": 1}
    return BedrockModel(boto_client_config=Config(retries=retries, read_timeout=DEFAULT_READ_TIMEOUT))
