"""How the API's schema names cameras and unknown people that something is about."""

from rest_framework import serializers


class CameraReferenceSchema(serializers.Serializer):
    id = serializers.UUIDField()
    slug = serializers.SlugField()
    name = serializers.CharField()


class UnknownReferenceSchema(serializers.Serializer):
    id = serializers.UUIDField()
    number = serializers.IntegerField(help_text="“Unknown 12”, counted in the gallery.")
