"""What starts a server: Docker Compose, Kubernetes and SkyPilot files around its command; one file a target."""
