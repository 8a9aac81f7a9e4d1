"""CompreFace's REST API on top of our galleries, so that its clients work unchanged; and imports from a running CompreFace.

A CompreFace service is a gallery here, its subjects are people (found by name), its faces are samples (`image_id`), and its
key is an API key for one gallery. Reference: docs/Rest-API-description.md of github.com/exadel-inc/CompreFace, version 1.2.
"""
