from django.db import migrations

# A sample lies in its identity's gallery, an embedding in its sample's: the database holds it, not only the services.
TABLES = (
    ("gallery_facesample", "sample_same_gallery", "identity_id", "gallery_identity"),
    ("gallery_faceembedding", "embedding_same_gallery", "sample_id", "gallery_facesample"),
)


class Migration(migrations.Migration):
    dependencies = [("gallery", "0001_initial")]

    operations = [
        migrations.RunSQL(
            f"ALTER TABLE {table} ADD CONSTRAINT {name} FOREIGN KEY ({column}, gallery_id) "
            f"REFERENCES {target} (id, gallery_id) DEFERRABLE INITIALLY DEFERRED",
            f"ALTER TABLE {table} DROP CONSTRAINT {name}",
        )
        for table, name, column, target in TABLES
    ]
