"""What guards the audit finds its tables in their own schema, whatever the session has put in front of it.

PostgreSQL looks into a session's temporary tables first: one called recognition_erasure would have passed for the reports.
"""

from django.db import migrations

from accounts.audit.irreversible import irreversible_if_any

FUNCTIONS = (
    "accounts_audit_is_append_only()",
    "accounts_audit_seal_is_append_only()",
    "accounts_audit_erasures()",
    "accounts_audit_redacts_its_own()",
)
SET = """
DO $$ BEGIN EXECUTE format('ALTER FUNCTION {} SET search_path = %I, pg_temp', current_schema()); END $$
"""
RESET = "ALTER FUNCTION {} RESET search_path"


class Migration(migrations.Migration):
    dependencies = [("accounts", "0007_audit_times"), ("recognition", "0020_photo_warnings")]

    operations = [
        *(migrations.RunSQL(SET.format(name), RESET.format(name)) for name in FUNCTIONS),
        irreversible_if_any("accounts", "AuditSeal"),
    ]
