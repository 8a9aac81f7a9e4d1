"""The camera worker: claims cameras, reads them, and follows who is in the picture."""
