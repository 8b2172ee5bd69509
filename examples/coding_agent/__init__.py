"""AWS's harness agent mends a project in a sandbox; kill its worker, and the next one goes on."""
