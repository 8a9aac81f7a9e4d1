import pytest

from recognition.cameras.addresses import machine_of, take_apart


@pytest.mark.parametrize(
    ("pasted", "address", "user", "password"),
    [
        ("rtsp://10.0.0.5:554/s", "rtsp://10.0.0.5:554/s", "", ""),
        ("  rtsp://u:p@10.0.0.5/s?x=1 ", "rtsp://10.0.0.5/s?x=1", "u", "p"),
        ("rtsp://u:p%40%23@cam/s", "rtsp://cam/s", "u", "p@#"),
        ("rtsp://u:p@ss@cam/s@2", "rtsp://cam/s@2", "u", "p@ss"),
        ("rtsp://u:pa/ss#w?@cam:554/s", "rtsp://cam:554/s", "u", "pa/ss#w?"),
        ("rtsp://cam:554/a@b", "rtsp://cam:554/a@b", "", ""),
        ("rtsp://cam?x=a@b", "rtsp://cam?x=a@b", "", ""),
        ("http://[fe80::1]:80/a@b", "http://[fe80::1]:80/a@b", "", ""),
        ("rtsp://u@cam/", "rtsp://cam/", "u", ""),
        ("people/door.mp4", "people/door.mp4", "", ""),
    ],
)
def test_user_and_password_are_taken_out(pasted, address, user, password):
    assert take_apart(pasted) == (address, user, password)
    assert take_apart(address) == (address, "", "")


@pytest.mark.parametrize(
    ("address", "machine"),
    [
        ("rtsp://cam:554/user=a_password=b", "rtsp://cam:554"),
        ("http://u:p@cam/video?pwd=secret", "http://cam"),
        ("door.mp4", ""),
        ("http://[", ""),
    ],
)
def test_what_may_be_written_down(address, machine):
    assert machine_of(address) == machine
