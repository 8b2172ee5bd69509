"""One trace of an agent, from the client to the provider."""
