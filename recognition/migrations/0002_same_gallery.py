from django.db import migrations

# Whom an enrolment is for lies in the request's gallery.
ADD = """
ALTER TABLE recognition_recognitionrequest ADD CONSTRAINT request_same_gallery
    FOREIGN KEY (identity_id, gallery_id) REFERENCES gallery_identity (id, gallery_id) DEFERRABLE INITIALLY DEFERRED
"""
DROP = "ALTER TABLE recognition_recognitionrequest DROP CONSTRAINT request_same_gallery"


class Migration(migrations.Migration):
    dependencies = [("recognition", "0001_initial"), ("gallery", "0002_same_gallery")]

    operations = [migrations.RunSQL(ADD, DROP)]
