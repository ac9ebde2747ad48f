-- one row per row of a site's tables but its logs, each table its newest snapshot;
-- columns that a table does not have are null and cost next to nothing. Sixty small
-- models would make every build seconds longer
{{
    config(
        materialized="incremental",
        incremental_strategy="newest_snapshot",
        unique_key=["district_id"],
        meta={
            "staged": "stg_moodle__records",
            "tables": "like 'moodle/%'",
            "scope": ["district_id", "table_name"],
        },
    )
}}
with
    records as {{ not_materialized() }} (
        select
            *,
            case
                when table_name = 'moodle/user'
                then userid
                when table_name = 'moodle/user_lastaccess'
                then userid || ' ' || courseid
                else cast(id as varchar)
            end as row_key,
        from {{ ref("stg_moodle__records") }}
        -- of a site's settings only those that the reader named are kept
        where is_loaded and (table_name <> 'moodle/config' or name is not null)
    ),

    newest_files as ({{ newest_snapshots("stg_moodle__records", "like 'moodle/%'") }}),

    snapshot_rows as {{ not_materialized() }} (
        select
            records.* {{ except_columns(["rule", "column_name", "value", "is_loaded"]) }}
        from records
        inner join
            newest_files
            on records.district_id = newest_files.district_id
            and records.table_name = newest_files.table_name
            and records.path = newest_files.path
            and records.file_modified_at = newest_files.modified_at
    )

    {{
        newest_rows(
            "snapshot_rows",
            key=["district_id", "table_name", "row_key"],
            version=["record_number"],
        )
    }}
order by table_name
