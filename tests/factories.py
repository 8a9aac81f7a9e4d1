"""Creates rows for tests directly through the models. A test calls the services for what it is about."""

import factory
import numpy as np
from django.db import transaction
from django.utils import timezone
from factory.django import DjangoModelFactory

from accounts.actor import Actor, Via
from accounts.models import Membership, User
from accounts.roles import Role
from gallery.models import FaceCrop, FaceEmbedding, FaceSample, Gallery, Identity
from recognition.cameras.channels import FRAMES, notify
from recognition.cameras.models import Camera, CameraState, LiveFrame

PASSWORD = "correct horse battery"


class UserFactory(DjangoModelFactory):
    class Meta:
        model = User
        skip_postgeneration_save = True

    username = factory.Sequence(lambda n: f"user{n}")

    @factory.post_generation
    def password(self, create, extracted, **kwargs):
        self.set_password(extracted or PASSWORD)
        self.save()


class GalleryFactory(DjangoModelFactory):
    class Meta:
        model = Gallery

    slug = factory.Sequence(lambda n: f"gallery-{n}")
    name = factory.LazyAttribute(lambda gallery: gallery.slug.capitalize())
    pack = "dlib-resnet"


class IdentityFactory(DjangoModelFactory):
    class Meta:
        model = Identity

    gallery = factory.SubFactory(GalleryFactory)
    name = factory.Sequence(lambda n: f"Person {n}")


class SampleFactory(DjangoModelFactory):
    """A sample with a crop, and an embedding where `vector` is given."""

    class Meta:
        model = FaceSample
        skip_postgeneration_save = True

    identity = factory.SubFactory(IdentityFactory)
    gallery = factory.SelfAttribute("identity.gallery")
    photo_sha256 = factory.Sequence(lambda n: f"{n:064x}")
    photo_width = photo_height = 100
    box = [10, 10, 50, 50]
    detection_score = 0.99
    quality_score = 0.9
    quality = {"measures": {}, "reasons": []}

    @factory.post_generation
    def vector(self, create, extracted, **kwargs):
        FaceCrop.objects.create(sample=self, jpeg=b"\xff\xd8", width=10, height=10, landmarks=[[0, 0]] * 5)
        if extracted is not None:
            FaceEmbedding.objects.create(gallery=self.gallery, pack="dlib-resnet", sample=self, vector=list(extracted))


def member(gallery: Gallery, role: Role) -> Actor:
    """A new user with `role` in `gallery`, as an actor of the API."""
    user = UserFactory()
    Membership.objects.create(user=user, gallery=gallery, role=role)
    return Actor(user=user, via=Via.API, name=user.username)


def stranger() -> Actor:
    """A new user without any gallery."""
    user = UserFactory()
    return Actor(user=user, via=Via.API, name=user.username)


def unit(index: int, length: float = 1.0, dim: int = 128) -> np.ndarray:
    """A vector along one axis, float32 (dim,)."""
    vector = np.zeros(dim, "float32")
    vector[index] = length
    return vector


class CameraFactory(DjangoModelFactory):
    """A browser's webcam with its state; no worker reads it."""

    class Meta:
        model = Camera
        skip_postgeneration_save = True

    gallery = factory.SubFactory(GalleryFactory)
    name = factory.Sequence(lambda n: f"Camera {n}")
    slug = factory.Sequence(lambda n: f"camera-{n}")
    kind = "webcam"

    @classmethod
    def _generate(cls, strategy, params):
        """Both rows at once, as the product makes them: a camera worker that runs gives a camera without a state one."""
        with transaction.atomic():
            return super()._generate(strategy, params)

    @factory.post_generation
    def state(self, create, extracted, **kwargs):
        """extracted: fields of the state."""
        CameraState.objects.create(camera=self, gallery=self.gallery, **(extracted or {}))


def show(camera: Camera, jpeg: bytes, seq: int = 1) -> None:
    """Writes the camera's live picture and tells those who watch, as a camera worker does."""
    values = {
        "gallery": camera.gallery,
        "seq": seq,
        "taken_at": timezone.now(),
        "width": 320,
        "height": 240,
        "jpeg": jpeg,
    }
    with transaction.atomic():
        LiveFrame.objects.update_or_create(camera=camera, defaults=values)
        notify(FRAMES, camera.pk)
