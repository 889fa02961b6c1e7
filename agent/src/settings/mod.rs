//! How the agent itself is configured: drop-in fragments → merged inputs → validated settings.
