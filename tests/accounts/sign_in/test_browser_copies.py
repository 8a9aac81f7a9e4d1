"""Nothing about people stays in a browser after sign-out: no answer with names or faces may be stored."""

from contextlib import closing

import pytest
from api_world import make_rows
from factories import PASSWORD, UserFactory

pytestmark = pytest.mark.django_db
PAGES = ["/", "/audit", "/api-keys", "/password", "/galleries/staff/", "/nothing-here"]


@pytest.fixture
def rows():
    return make_rows()


def test_no_page_and_no_picture_may_be_stored(client, rows):
    client.force_login(rows["operator"])
    pictures = {
        f"/api/v1/samples/{rows['sample']}/crop.jpg",
        f"/api/v1/recognitions/{rows['recognition']}/annotated.jpg",
        f"/recognitions/{rows['recognition']}/faces/{rows['index']}.jpg",
        f"/recognitions/{rows['recognition']}/photo",
    }
    person = f"/galleries/staff/people/{rows['identity']}/"
    for address in [*PAGES, person, "/admin/", "/api/v1/me", f"/api/v1/identities/{rows['identity']}", *pictures]:
        response = client.get(address)
        assert "no-store" in response["Cache-Control"], address
        assert address not in pictures or response.status_code == 200, address


def test_static_files_may_be_stored(client):
    with closing(client.get("/static/faceplatform/app.css")) as response:
        assert "no-store" not in response["Cache-Control"]


@pytest.mark.parametrize("address", ["/sign-out", "/admin/logout/"])
def test_sign_out_has_the_browser_forget(client, address):
    UserFactory(username="ada", is_staff=True)
    client.post("/sign-in", {"username": "ada", "password": PASSWORD})
    response = client.post(address)
    assert response["Clear-Site-Data"] == '"cache", "storage"'
    assert "_auth_user_id" not in client.session
