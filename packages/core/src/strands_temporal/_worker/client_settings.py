"""How a command line connects to Temporal: the settings of Temporal's own loader."""

import os
from typing import Any

from temporalio.envconfig import ClientConfig


def client_settings() -> dict[str, Any]:
    """Return the arguments for `Client.connect` from the environment and Temporal's configuration file.

    An empty variable counts as one that is not set. A CI writes those for secrets that it does not have, and
    temporalio 1.35 would turn TLS on for an empty TEMPORAL_API_KEY.
    """
    variables = {
        name: value for name, value in os.environ.items() if value or not name.startswith("TEMPORAL_")
    }
    return {**ClientConfig.load_client_connect_config(override_env_vars=variables)}
