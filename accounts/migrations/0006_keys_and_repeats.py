import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.datetime
import uuid6
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0005_audit_chain'),
    ]

    operations = [
        migrations.CreateModel(
            name='RequestBucket',
            fields=[
                ('subject', models.CharField(help_text='key:ID or user:ID.', max_length=45, primary_key=True, serialize=False)),
                ('level', models.FloatField()),
                ('allowed', models.BooleanField(help_text='Whether the last call was allowed.')),
                ('at', models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name='IdempotentAnswer',
            fields=[
                ('id', models.UUIDField(default=uuid6.uuid7, editable=False, primary_key=True, serialize=False)),
                ('key', models.CharField(max_length=255)),
                ('fingerprint', models.CharField(help_text='SHA-256 of the call.', max_length=64)),
                ('status', models.PositiveSmallIntegerField(null=True)),
                ('body', models.TextField(blank=True)),
                ('headers', models.JSONField(default=dict)),
                ('waits_for', django.contrib.postgres.fields.ArrayField(base_field=models.UUIDField(), null=True, size=None)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'indexes': [models.Index(fields=['created_at'], name='idempotent_by_age')],
                'constraints': [models.UniqueConstraint(fields=('user', 'key'), name='idempotent_once')],
            },
        ),
        migrations.RunSQL(
            'ALTER TABLE accounts_requestbucket SET UNLOGGED',
            'ALTER TABLE accounts_requestbucket SET LOGGED',
        ),
    ]
