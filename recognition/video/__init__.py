"""Reading cameras and video files: no Django, no database, no faces."""
