"""CompreFace's REST API over our galleries, for its clients, and a source for imports from a running CompreFace.

A gallery stands for a CompreFace service, its people for subjects (by name), samples for faces (`image_id`), and an API key
of one gallery for a service's key. Reference: docs/Rest-API-description.md of github.com/exadel-inc/CompreFace, version 1.2.
"""
