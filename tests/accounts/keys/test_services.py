import pytest
from factories import GalleryFactory, UserFactory

from accounts.actor import cli_actor
from accounts.keys import services
from accounts.models import ApiKey, AuditEvent
from faceplatform.errors import InvalidInput

pytestmark = pytest.mark.django_db
SYSTEM = cli_actor()


@pytest.mark.parametrize("scopes", [[], ["everything"], ["read", "write"]])
def test_a_key_has_known_scopes(scopes):
    with pytest.raises(InvalidInput, match="recognize"):
        services.create_api_key(actor=SYSTEM, user=UserFactory(), scopes=scopes)
    assert not ApiKey.objects.exists()


def test_a_key_cannot_be_for_a_gallery_that_its_user_is_not_in():
    gallery = GalleryFactory()
    with pytest.raises(InvalidInput, match="not a member"):
        services.create_api_key(actor=SYSTEM, user=UserFactory(), gallery=gallery, scopes=["read"])


def test_revoking_twice_is_one_event():
    row, _ = services.create_api_key(actor=SYSTEM, user=UserFactory(), scopes=["read"])
    services.revoke_api_key(actor=SYSTEM, api_key=row)
    services.revoke_api_key(actor=SYSTEM, api_key=row)
    assert list(AuditEvent.objects.order_by("id").values_list("action", flat=True)) == [
        "api_key.created",
        "api_key.revoked",
    ]
