"""A small gallery to look around in: two public-domain portraits, and a video of both as a camera."""
