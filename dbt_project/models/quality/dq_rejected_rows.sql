-- one row per rejected record, once: the files of a build that was killed are read
-- again, and their rejects replaced
{{
    config(
        materialized="incremental",
        incremental_strategy="newest_version",
        unique_key=["path", "size_bytes", "file_modified_at", "row_number"],
        meta={"version": []},
        post_hook="{{ keep_last_attached('file_modified_at') }}",
    )
}}
with
    records as (select * from ({{ staged_records() }}) where rule <> 'unavailable'),
    files as (select path, size_bytes, modified_at from {{ ref("stg_landing__files") }})

select
    records.district_id,
    records.table_name,
    records.path,
    records.record_number as row_number,
    records.rule,
    records.column_name,
    records.value,
    {{ build_time() }} as loaded_at,
    files.size_bytes,
    records.file_modified_at,
from records
inner join
    files on records.path = files.path and records.file_modified_at = files.modified_at
