-- depends_on: {{ ref("stg_landing__files") }}
-- one row per score key: its newest version, withdrawn ones too. Grades come as
-- snapshots: what the newest says of a grade holds, whenever it was given
{% set key = [
    "district_id",
    "student_id",
    "measure",
    "subject",
    "app_id",
    "assessment_id",
    "measured_on",
] %}
{% set version = ["updated_at", "file_modified_at", "path", "record_number"] %}
{{
    config(
        materialized="incremental",
        incremental_strategy="newest_version",
        unique_key=key,
        meta={
            "version": version,
            "always": "kept.path = 'moodle' and fresh.path = 'moodle'",
        },
    )
}}
with
    scores as {{ not_materialized() }} (
        select
            district_id,
            student_id,
            measure,
            subject,
            app_id,
            assessment_id,
            measured_on,
            case
                when is_deleted
                then null
                else
                    {{
                        divide(
                            "cast(score * 100 as decimal(26, 12))",
                            "max_score",
                            scale=12,
                            places=12,
                        )
                    }}
            end as score,
            is_deleted,
            updated_at,
            file_modified_at,
            path,
            record_number,
        from {{ ref("stg_landing__scores") }}
        where is_loaded
    ),

    grades as (select * from {{ ref("int_moodle_scores") }}),

    {% if is_incremental() -%}
        -- a grade that the newest snapshot does not hold, or dates otherwise, is
        -- withdrawn
        withdrawn_grades as (
            select
                kept.district_id,
                kept.student_id,
                kept.measure,
                kept.subject,
                kept.app_id,
                kept.assessment_id,
                kept.measured_on,
                cast(null as decimal(24, 12)) as score,
                true as is_deleted,
                kept.updated_at,
                delivered.file_modified_at,
                kept.path,
                kept.record_number,
            from {{ this }} as kept
            inner join
                (
                    select district_id, max(modified_at) as file_modified_at,
                    from {{ ref("stg_landing__files") }}
                    where
                        table_name in ('moodle/grade_items', 'moodle/grade_grades')
                        and status = 'new'
                    group by district_id
                ) as delivered
                on kept.district_id = delivered.district_id
            left join
                grades
                on kept.district_id = grades.district_id
                and kept.student_id = grades.student_id
                and kept.measure = grades.measure
                and kept.subject = grades.subject
                and kept.app_id = grades.app_id
                and kept.assessment_id = grades.assessment_id
                and kept.measured_on = grades.measured_on
            where
                kept.path = 'moodle'
                and not kept.is_deleted
                and grades.student_id is null
        ),
    {%- endif %}

    versions as {{ not_materialized() }} (
        select *
        from scores
        union all
        select
            district_id,
            student_id,
            measure,
            subject,
            app_id,
            assessment_id,
            measured_on,
            score,
            false as is_deleted,
            updated_at,
            file_modified_at,
            'moodle' as path,
            cast(0 as bigint) as record_number,
        from grades
        {% if is_incremental() -%}
            union all
            select *
            from withdrawn_grades
        {%- endif %}
    )

    {{
        newest_rows(
            "versions",
            key=key,
            version=version,
        )
    }}
