-- one row per measurement that nobody has withdrawn, its score with the 12 places that
-- means need; the school year follows the seed, so it is told here and not stored
{{ config(materialized="view") }}
with
    versions as (select * from {{ ref("int_score_versions") }}),
    districts as (
        select district_id, school_year_month, school_year_day
        from {{ ref("int_districts") }}
    ),

    dated as (
        select
            versions.*,
            {{
                school_year_start(
                    "versions.measured_on",
                    "coalesce(districts.school_year_month, 8)",
                    "coalesce(districts.school_year_day, 1)",
                )
            }} as school_year_starts_on,
        from versions
        -- a district that left the configuration keeps its facts
        left join districts on versions.district_id = districts.district_id
        where not versions.is_deleted
    )

select
    district_id,
    student_id,
    measure,
    subject,
    app_id,
    assessment_id,
    measured_on,
    cast({{ school_year("school_year_starts_on") }} as integer) as school_year,
    score,
    updated_at,
from dated
