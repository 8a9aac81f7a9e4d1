"""An erasure may empty the audit's events about its own people, and no others. accounts/audit/chain.py says more."""

from django.db import migrations

from accounts.audit.irreversible import irreversible_if_any

# `accounts_audit_erasures` is what `audit verify` knows of erasures: the accounts know nothing of them.
CREATE = r"""
CREATE FUNCTION accounts_audit_erasures() RETURNS TABLE (
    event_id uuid, report_id uuid, gallery_id uuid, identities uuid[], reason text, remains boolean
) LANGUAGE sql STABLE AS $$
    SELECT event_id, id, gallery_id, identities, reason,
        EXISTS (SELECT FROM gallery_identity person WHERE person.id = ANY(erasure.identities))
            OR whole_gallery AND EXISTS (SELECT FROM gallery_gallery gallery WHERE gallery.id = erasure.gallery_id)
    FROM recognition_erasure erasure
$$;

CREATE FUNCTION accounts_audit_letters(text text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT regexp_replace(text, '[^[:alnum:]]', '', 'g')
$$;

CREATE FUNCTION accounts_audit_redacts_its_own() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    erasing uuid;
    erasure recognition_erasure;
    stranger uuid;
BEGIN
    FOR erasing IN SELECT DISTINCT redacted_by FROM emptied LOOP
        SELECT report.* INTO erasure
        FROM accounts_auditevent event JOIN recognition_erasure report ON report.id::text = event.object_id
        WHERE event.id = erasing AND event.action = 'identity.erased' AND event.object_type = 'erasure'
            AND event.at >= transaction_timestamp() AND event.gallery_id = report.gallery_id
            AND event.details -> 'identities' = to_jsonb(report.identities)
            AND coalesce(report.event_id, event.id) = event.id;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'the audit is append-only: % is no erasure that is going on', erasing;
        END IF;

        IF erasure.whole_gallery THEN  -- its people are gone by then, and the gallery itself goes in the same transaction
            SELECT event.id INTO stranger FROM before event JOIN emptied USING (id)
            WHERE emptied.redacted_by = erasing AND (
                EXISTS (SELECT FROM gallery_identity person WHERE person.gallery_id = erasure.gallery_id)
                OR event.gallery_id IS DISTINCT FROM erasure.gallery_id
                OR event.action = 'identity.erased'
                OR NOT (
                    event.object_type IN ('identity', 'facesample', 'recognitionrequest', 'import', 'auditevent')
                    OR event.object_type = 'gallery' AND event.action ~ '^vector[.]'
                )
            )
            LIMIT 1;
            IF FOUND THEN
                RAISE EXCEPTION 'the audit is append-only: % is not about people of the gallery that % deletes', stranger, erasing;
            END IF;
            CONTINUE;
        END IF;

        WITH was AS MATERIALIZED (
            SELECT event.*, concat_ws(E'\n', event.object_name, (
                SELECT string_agg(value #>> '{}', E'\n')
                FROM jsonb_path_query(event.details, 'lax $.** ? (@.type() == "string")') value
            )) AS text
            FROM before event JOIN emptied USING (id) WHERE emptied.redacted_by = erasing
        ), people AS MATERIALIZED (
            SELECT unnest(erasure.identities)::text AS id
        ), names AS MATERIALIZED (
            SELECT DISTINCT object_name AS name, accounts_audit_letters(object_name) AS letters
            FROM (
                SELECT object_type, object_id, object_name FROM was
                UNION ALL
                SELECT object_type, object_id, object_name FROM accounts_auditevent
                WHERE object_id IN (SELECT id FROM people)
            ) event
            WHERE object_type = 'identity' AND object_id IN (SELECT id FROM people) AND object_name <> ''
        ), judged AS MATERIALIZED (
            SELECT was.*,
                object_id IN (SELECT id FROM people)
                    OR details::text ~ (SELECT string_agg(id, '|') FROM people) AS with_id,
                EXISTS (
                    SELECT FROM names
                    WHERE CASE letters WHEN '' THEN strpos(text, name) > 0 ELSE accounts_audit_letters(text) ~* letters END
                ) AS with_name
            FROM was
        )
        SELECT id INTO stranger FROM judged
        WHERE gallery_id IS DISTINCT FROM erasure.gallery_id OR action = 'identity.erased' OR NOT CASE object_type
            WHEN 'identity' THEN with_id OR with_name
            WHEN 'import' THEN with_id OR with_name
            WHEN 'auditevent' THEN with_id OR with_name OR object_id IN (SELECT id::text FROM was)
            WHEN 'gallery' THEN with_id
            WHEN 'facesample' THEN with_id OR with_name OR NOT EXISTS (
                SELECT FROM gallery_facesample sample
                WHERE sample.id = object_id::uuid AND sample.identity_id <> ALL(erasure.identities)
            )
            WHEN 'recognitionrequest' THEN with_id OR with_name
                OR object_id IN (SELECT object_id FROM judged WHERE with_id OR with_name)
                OR NOT EXISTS (
                    SELECT FROM recognition_recognitionrequest request
                    WHERE request.id = object_id::uuid AND request.photo_sha256 <> ''
                        AND (request.identity_id IS NULL OR request.identity_id <> ALL(erasure.identities))
                        AND NOT EXISTS (
                            SELECT FROM recognition_recognitionface face
                            LEFT JOIN recognition_candidate candidate ON candidate.face_id = face.id
                            WHERE face.request_id = request.id AND (
                                face.identity_id = ANY(erasure.identities)
                                OR candidate.identity_id = ANY(erasure.identities)
                            )
                        )
                        AND NOT EXISTS (
                            SELECT FROM gallery_facesample sample
                            WHERE sample.photo_sha256 = request.photo_sha256 AND sample.gallery_id = request.gallery_id
                                AND sample.identity_id = ANY(erasure.identities)
                        )
                )
            ELSE false
        END
        LIMIT 1;
        IF FOUND THEN
            RAISE EXCEPTION 'the audit is append-only: the event % is not about the people whom % erases', stranger, erasing;
        END IF;
    END LOOP;
    RETURN NULL;
END $$;
CREATE TRIGGER audit_redacts_its_own AFTER UPDATE ON accounts_auditevent
    REFERENCING OLD TABLE AS before NEW TABLE AS emptied
    FOR EACH STATEMENT EXECUTE FUNCTION accounts_audit_redacts_its_own();
"""
DROP = """
DROP TRIGGER audit_redacts_its_own ON accounts_auditevent;
DROP FUNCTION accounts_audit_redacts_its_own();
DROP FUNCTION accounts_audit_letters(text);
DROP FUNCTION accounts_audit_erasures();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0007_audit_times"),
        ("gallery", "0008_closing"),
        ("recognition", "0015_worker_packs"),
    ]

    operations = [migrations.RunSQL(CREATE, DROP), irreversible_if_any("accounts", "AuditSeal")]
