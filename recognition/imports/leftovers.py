"""What systems and programs leave in folders: nobody's photos, though many have a photo's name."""

FOLDERS = {
    "__macosx": "macOS",
    ".appledouble": "macOS",
    ".spotlight-v100": "macOS",
    ".trashes": "macOS",
    ".trash": "macOS",
    ".fseventsd": "macOS",
    ".temporaryitems": "macOS",
    ".documentrevisions-v100": "macOS",
    "$recycle.bin": "Windows",
    "recycler": "Windows",
    "system volume information": "Windows",
    "lost+found": "Linux",
    ".thumbnails": "Linux",
    "@eadir": "Synology",
    "@tmp": "Synology",
    "#recycle": "Synology",
    "#snapshot": "Synology",
    ".synologyworkingdirectory": "Synology",
    ".@__thumb": "QNAP",
    "@recycle": "QNAP",
    "@recently-snapshot": "QNAP",
    ".dtrash": "digiKam",
    ".picasaoriginals": "Picasa",
    ".stfolder": "Syncthing",
    ".stversions": "Syncthing",
    ".dropbox.cache": "Dropbox",
    ".git": "Git",
    ".svn": "Subversion",
}
FILES = {
    ".ds_store": "macOS",
    ".localized": "macOS",
    "icon\r": "macOS",
    "thumbs.db": "Windows",
    "ehthumbs.db": "Windows",
    "ehthumbs_vista.db": "Windows",
    "desktop.ini": "Windows",
    ".directory": "Linux",
    ".nomedia": "Android",
    "picasa.ini": "Picasa",
    ".picasa.ini": "Picasa",
}


def left_by(path: str) -> str | None:
    """The system or program that leaves a file with such a path behind, in any case of letters; None if it is nobody's."""
    *folders, name = path.lower().split("/")
    for folder in folders:
        if folder.startswith(".trash-"):  # .Trash-1000: the bin of the user with this number
            return "Linux"
        if folder in FOLDERS:
            return FOLDERS[folder]
    return "macOS" if name.startswith("._") else FILES.get(name)
