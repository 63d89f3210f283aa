"""A run as a folder that is ready to ship: a Dockerfile, exact versions, the model, a smoke test, an application of Ray Serve."""
