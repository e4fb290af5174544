"""The handler `redirect`: one endpoint for many services, across protocols, while they move."""
