"""The factories of a worker's models, by name."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any

from botocore.config import Config
from strands.models import Model
from strands.models.bedrock import DEFAULT_READ_TIMEOUT, BedrockModel

from .._wire.model_call import DEFAULT_MODEL, MODEL_FACTORY_FAILED
from .factories import NamedFactories, checked_mapping

ModelFactory = Callable[[], Model]
"""Makes a model on the worker, when the model is first used."""


def named_models(models: Mapping[str, ModelFactory] | None) -> NamedFactories[Model]:
    """Return the factories of `StrandsPlugin(models=...)`; with None, Strands' default model alone.

    Raises:
        TypeError: If a name is not a string, or a factory cannot be called.
        ValueError: If `models` or a name is empty.
    """
    option, example = "StrandsPlugin(models=...)", "SomeModel(...)"
    given = {DEFAULT_MODEL: default_model} if models is None else models
    if _stand_in is not None:
        given = dict.fromkeys(checked_mapping(option, given, example), _stand_in)
    kind = NamedFactories[Model] if models is not None or _stand_in is None else _AnyName
    named = kind("model", option, given, Model, MODEL_FACTORY_FAILED, example)
    if not named.names:
        raise ValueError(
            "StrandsPlugin: models={} names no model. Leave it out for Strands' default, or register a "
            "factory"
        )
    return named


_stand_in: ModelFactory | None = None


def use_stand_in(factory: ModelFactory) -> None:
    """Let the plugins that this process makes from now on use one model in place of each of theirs.

    `strands-temporal dev --model` does so in its worker. A plugin without `models=` then takes any name.
    """
    global _stand_in  # a process has one command line
    _stand_in = factory


class _AnyName(NamedFactories[Model]):
    """The stand-in under any name."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        factory = self._factories[DEFAULT_MODEL]
        self._factories = defaultdict(lambda: factory, self._factories)

    def check_name(self, name: str) -> None:
        """Accept any name."""


def default_model() -> Model:
    """Return Strands' default model, Amazon Bedrock, with one attempt per call."""
    # A `boto_client_config` replaces Strands' own, so set Strands' longer `read_timeout` again.
    retries = {"total_max_attempts": 1}
    return BedrockModel(boto_client_config=Config(retries=retries, read_timeout=DEFAULT_READ_TIMEOUT))
