-- one row per record of a district's newest enrollment file
{{
    config(
        materialized="incremental",
        incremental_strategy="newest_snapshot",
        unique_key=["district_id"],
        meta={"staged": "stg_landing__enrollments", "tables": "= 'enrollments'"},
    )
}}
with
    enrollments as (
        select
            district_id,
            user_id,
            role,
            class_id,
            school_id,
            begin_date,
            end_date,
            file_modified_at,
            path,
            record_number,
        from {{ ref("stg_landing__enrollments") }}
        where is_loaded
    ),

    newest_files as (
        {{ newest_snapshots("stg_landing__enrollments", "= 'enrollments'") }}
    )

select enrollments.*
from enrollments
inner join
    newest_files
    on enrollments.district_id = newest_files.district_id
    and enrollments.path = newest_files.path
    and enrollments.file_modified_at = newest_files.modified_at
