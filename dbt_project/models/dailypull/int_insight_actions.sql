-- one row per user, insight and action: what a user has done with an insight
{% set key = ["district_id", "user_id", "insight_id", "action"] %}
{% set version = ["acted_at", "file_modified_at", "path", "record_number"] %}
{{
    config(
        materialized="incremental",
        incremental_strategy="newest_version",
        unique_key=key,
        meta={"version": version},
    )
}}
with
    actions as (
        select
            district_id,
            user_id,
            insight_id,
            action,
            acted_at,
            file_modified_at,
            path,
            record_number,
        from {{ ref("stg_landing__insight_actions") }}
        where is_loaded
    )

    {{
        newest_rows(
            "actions",
            key=key,
            version=version,
        )
    }}
