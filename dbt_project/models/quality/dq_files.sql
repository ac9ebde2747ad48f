-- one row per version of a landing file: what came of it. It is written after
-- everything that the file's rows are merged into: a killed build reads the file again
{{
    config(
        materialized="incremental",
        incremental_strategy="newest_version",
        unique_key=["path", "size_bytes", "modified_at"],
        meta={"version": []},
        post_hook=[
            "{{ keep_last_attached('modified_at') }}",
            "{{ remember_pseudonym_key() }}",
        ],
    )
}}
-- depends_on: {{ ref("int_usage_versions") }}, {{ ref("int_score_versions") }}
-- depends_on: {{ ref("int_student_roster") }}, {{ ref("int_enrollments") }}
-- depends_on: {{ ref("int_moodle_log") }}, {{ ref("int_moodle_records") }}
-- depends_on: {{ ref("int_insight_actions") }}, {{ ref("dq_rejected_rows") }}
with
    files as (select * from {{ ref("stg_landing__files") }}),

    records as (
        select
            path,
            file_modified_at,
            sum(case when rule = 'unavailable' then 0 else 1 end) as rows_read,
            sum(case when rule is null then 1 else 0 end) as rows_accepted,
            max(case when rule = 'unreadable_file' then value end) as problem,
            max(case when rule = 'unavailable' then value end) as obstacle,
        from ({{ staged_records() }}) as staged
        group by path, file_modified_at
    )

select
    files.district_id,
    files.table_name,
    files.path,
    files.size_bytes,
    files.modified_at,
    case
        when records.problem is not null
        then 'unreadable'
        when records.obstacle is not null
        then 'unavailable'
        when files.status = 'new'
        then 'loaded'
        else files.status
    end as status,
    cast(coalesce(records.rows_read, 0) as bigint) as rows_read,
    cast(coalesce(records.rows_accepted, 0) as bigint) as rows_accepted,
    cast(
        coalesce(records.rows_read, 0) - coalesce(records.rows_accepted, 0) as bigint
    ) as rows_rejected,
    {{ build_time() }} as loaded_at,
    coalesce(records.problem, records.obstacle, files.problem) as problem,
    files.unknown_columns,
from files
left join
    records
    on files.path = records.path
    and files.modified_at = records.file_modified_at
