{#- Files that are whole snapshots: the newest by (modification time, path) replaces the
    earlier one, an empty one too. -#}

{#- each district's newest readable file of the landing tables that a condition names,
    among those of this run -#}
{% macro newest_snapshots(staged, tables) -%}
    select district_id, table_name, path, modified_at,
    from
        (
            select
                files.district_id,
                files.table_name,
                files.path,
                files.modified_at,
                row_number() over (
                    partition by files.district_id, files.table_name
                    order by files.modified_at desc, files.path desc
                ) as newest_first,
            from {{ ref("stg_landing__files") }} as files
            left join
                (
                    select distinct path
                    from {{ ref(staged) }}
                    where rule in ('unreadable_file', 'unavailable')
                ) as unreadable
                on files.path = unreadable.path
            where
                files.table_name {{ tables }}
                and files.status = 'new'
                and unreadable.path is null
        ) as ranked
    where newest_first = 1
{%- endmacro %}

{% macro get_incremental_newest_snapshot_sql(arguments) -%}
    {{ return(adapter.dispatch("newest_snapshot", "trackline")(arguments)) }}
{%- endmacro %}

{#- the ledger knows the newest snapshot that was merged, even one without rows -#}
{% macro duckdb__newest_snapshot(arguments) -%}
    {%- set kept = arguments["target_relation"].include(database=false) -%}
    {%- set fresh = arguments["temp_relation"] -%}
    {%- set columns = arguments["dest_columns"] | map(attribute="quoted") | join(", ") -%}
    {%- set meta = config.get("meta") -%}
    {%- set scope = meta.get("scope", ["district_id"]) | join(", ") -%}
    {%- set ledger = load_relation(ledger_relation()) -%}
    create or replace temp table replaced_snapshots as
    select newest.district_id, newest.table_name,
    from ({{ newest_snapshots(meta["staged"], meta["tables"]) }}) as newest
    {%- if ledger %}
    where
        not exists (
            select 1
            from {{ ledger.include(database=false) }} as ledger
            where
                ledger.district_id = newest.district_id
                and ledger.table_name = newest.table_name
                and ledger.status = 'loaded'
                and (ledger.modified_at, ledger.path) > (newest.modified_at, newest.path)
        )
    {%- endif %}
    ;

    delete from {{ kept }}
    where ({{ scope }}) in (select ({{ scope }}) from replaced_snapshots)
    ;

    insert into {{ kept }} ({{ columns }})
    select {{ columns }}
    from {{ fresh }}
    where ({{ scope }}) in (select ({{ scope }}) from replaced_snapshots)
    ;

    drop table replaced_snapshots
{%- endmacro %}

{#- An attached site's tables are read anew in every build: only of the last reading is told
    what came of it. A log is read on from where it was. -#}
{% macro keep_last_attached(modified_at) -%}
    {{ return(adapter.dispatch("keep_last_attached", "trackline")(modified_at)) }}
{%- endmacro %}

{% macro duckdb__keep_last_attached(modified_at) -%}
    delete from {{ this.include(database=false) }} as kept
    using {{ ref("stg_landing__files") }} as fresh
    where
        kept.path = fresh.path
        and kept.{{ modified_at }} < fresh.modified_at
        and fresh.path like '% (attached)'
        and fresh.table_name not in ('moodle/logstore_standard_log', 'moodle/log')
{%- endmacro %}

{#- nothing is attached on Spark -#}
{% macro spark__keep_last_attached(modified_at) -%} {%- endmacro %}
