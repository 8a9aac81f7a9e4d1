"""The database dates the audit's events itself, and each seal says when it was made. accounts/audit/chain.py says why."""

from django.db import migrations, models

from accounts.audit.irreversible import irreversible_if_any

CREATE = """
CREATE FUNCTION accounts_audit_is_dated_now() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    made timestamptz := to_timestamp(('x' || left(translate(NEW.id::text, '-', ''), 12))::bit(48)::bigint / 1000.0);
BEGIN
    NEW.at := clock_timestamp();
    IF made NOT BETWEEN NEW.at - interval '1 hour' AND NEW.at + interval '1 hour' THEN
        RAISE EXCEPTION 'the audit takes no event of another time: the id % says %, the database''s clock %. '
            'Set the clocks of this machine and of the database right.', NEW.id, made, NEW.at;
    END IF;
    IF NEW.redacted_by IS NOT NULL THEN
        RAISE EXCEPTION 'the audit takes no event that is redacted already';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER audit_dated_now BEFORE INSERT ON accounts_auditevent
    FOR EACH ROW EXECUTE FUNCTION accounts_audit_is_dated_now();

CREATE FUNCTION accounts_audit_seal_is_dated_now() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.sealed_at IS NULL
        OR NEW.sealed_at NOT BETWEEN clock_timestamp() - interval '10 minutes' AND clock_timestamp()
    THEN
        RAISE EXCEPTION 'the audit takes no seal of another time';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER audit_seal_dated_now BEFORE INSERT ON accounts_auditseal
    FOR EACH ROW EXECUTE FUNCTION accounts_audit_seal_is_dated_now();
"""
DROP = """
DROP TRIGGER audit_seal_dated_now ON accounts_auditseal;
DROP FUNCTION accounts_audit_seal_is_dated_now();
DROP TRIGGER audit_dated_now ON accounts_auditevent;
DROP FUNCTION accounts_audit_is_dated_now();
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0006_keys_and_repeats")]

    operations = [
        migrations.AddField(
            model_name="auditseal",
            name="sealed_at",
            field=models.DateTimeField(null=True, help_text="Null: before seals had a time."),
        ),
        migrations.RunSQL(CREATE, DROP),
        irreversible_if_any("accounts", "AuditSeal"),
    ]
