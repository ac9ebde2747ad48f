-- one row per student, app and day of use that nobody has withdrawn
{{ config(materialized="view") }}
select
    district_id,
    student_id,
    app_id,
    usage_date,
    usage_minutes,
    session_count,
    updated_at,
from {{ ref("int_usage_versions") }}
where not is_deleted
