-- one row per student of a district's newest roster: each roster file is a whole
-- snapshot
{{
    config(
        materialized="incremental",
        incremental_strategy="newest_snapshot",
        unique_key=["district_id"],
        meta={"staged": "stg_landing__students", "tables": "= 'students'"},
    )
}}
with
    students as {{ not_materialized() }} (
        select
            district_id,
            student_id,
            school_id,
            grade_level,
            file_modified_at,
            path,
            record_number,
        from {{ ref("stg_landing__students") }}
        where is_loaded
    ),

    newest_files as ({{ newest_snapshots("stg_landing__students", "= 'students'") }}),

    snapshot_rows as {{ not_materialized() }} (
        select students.*
        from students
        inner join
            newest_files
            on students.district_id = newest_files.district_id
            and students.path = newest_files.path
            and students.file_modified_at = newest_files.modified_at
    )

    {{
        newest_rows(
            "snapshot_rows",
            key=["district_id", "student_id"],
            version=["record_number"],
        )
    }}
