-- one row per score key: its newest version, withdrawn ones too
{{
    config(
        materialized="incremental",
        incremental_strategy="newest_version",
        unique_key=[
            "district_id", "student_id", "measure", "subject", "app_id", "assessment_id",
            "measured_on",
        ],
        meta={"version": ["updated_at", "file_modified_at", "path", "record_number"]},
    )
}}
with
    scores as (
        select
            district_id,
            student_id,
            measure,
            subject,
            app_id,
            assessment_id,
            measured_on,
            case
                when is_deleted then null else {{ divide("score * 100", "max_score", 12) }}
            end as score,
            is_deleted,
            updated_at,
            file_modified_at,
            path,
            record_number,
        from {{ ref("stg_landing__scores") }}
        where is_loaded
    )

{{ newest_rows(
    "scores",
    key=[
        "district_id", "student_id", "measure", "subject", "app_id", "assessment_id",
        "measured_on",
    ],
    version=["updated_at", "file_modified_at", "path", "record_number"],
) }}
