-- one row per rejected record, once: the files of a build that was killed are read again,
-- and their rejects replaced
{{
    config(
        materialized="incremental",
        incremental_strategy="newest_version",
        unique_key=["path", "file_modified_at", "record_number"],
        meta={"version": []},
    )
}}
select
    district_id,
    table_name,
    path,
    rule,
    column_name,
    value,
    {{ build_time() }} as loaded_at,
    record_number,
    file_modified_at,
from ({{ staged_records() }}) as records
where rule is not null
