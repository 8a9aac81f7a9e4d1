"""Static files by names that tell their content, so that browsers keep them for good and never show an old one."""

from whitenoise.storage import CompressedManifestStaticFilesStorage

_, IMPORTS = CompressedManifestStaticFilesStorage._js_module_import_aggregation_patterns


class HashedStaticFiles(CompressedManifestStaticFilesStorage):
    """What has no entry, as in a folder collected by an older version, keeps its plain name instead of failing the page.

    Of scripts, our own alone import others by names that are to be hashed: django-htmx brings one that imports what is not there.
    """

    manifest_strict = False
    patterns = (*CompressedManifestStaticFilesStorage.patterns, ("faceplatform/*.js", IMPORTS))

    def stored_name(self, name: str) -> str:
        """As it is where nothing was collected at all: a page that looks poor still says what is wrong."""
        try:
            return str(super().stored_name(name))
        except ValueError:
            return name
