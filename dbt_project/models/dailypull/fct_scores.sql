-- one row per measurement that nobody has withdrawn
{{ config(materialized="view") }}
select
    district_id,
    student_id,
    measure,
    subject,
    app_id,
    assessment_id,
    measured_on,
    school_year,
    cast(score as decimal(18, 6)) as score,
    updated_at,
from {{ ref("int_scores") }}
