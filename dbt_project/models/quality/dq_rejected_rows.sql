-- one row per rejected record, once: the files of a build that was killed are read again,
-- and their rejects replaced
{{
    config(
        materialized="incremental",
        incremental_strategy="newest_version",
        unique_key=["path", "file_modified_at", "row_number"],
        meta={"version": []},
        on_schema_change="fail",
    )
}}
select
    district_id,
    table_name,
    path,
    record_number as row_number,
    rule,
    column_name,
    value,
    {{ build_time() }} as loaded_at,
    file_modified_at,
from ({{ staged_records() }}) as records
where rule <> 'unavailable'
