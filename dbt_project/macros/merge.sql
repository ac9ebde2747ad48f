{#- The merge: newest version of a key wins. One probe finds the kept rows of the keys that
    were read; of each pair the older one goes, and the rest of what was read is inserted.
    Measured at 100M kept rows and a night of 2M against MERGE, delete+insert by key and a
    primary key: docs/adr/0002.

    A model that uses it holds each key once and names in its meta
      version     the columns that order two versions of one key, most telling first; of two
                  equal ones the fresh wins: the file was overwritten within its time
      always      (optional) SQL on kept and fresh: replaced whatever the versions say
      superseded  (optional) a model to which every replaced row is appended; was_merged_in
                  there is the merge that wrote it, merged_in the one that replaced it
      keep, sort  (optional) which rows are inserted, and in which order -#}

{% macro get_incremental_newest_version_sql(arguments) -%}
    {{ return(adapter.dispatch("newest_version", "trackline")(arguments)) }}
{%- endmacro %}

{% macro duckdb__newest_version(arguments) -%}
    {%- set kept = arguments["target_relation"].include(database=false) -%}
    {%- set fresh = arguments["temp_relation"] -%}
    {%- set columns = arguments["dest_columns"] | map(attribute="quoted") | join(", ") -%}
    {%- set meta = config.get("meta") -%}
    {%- set pairs = "pairs_of_" ~ this.identifier -%}
    {%- set log = ref(meta["superseded"]) if meta.get("superseded") else none -%}
    {%- set logged = (
        adapter.get_columns_in_relation(log) | map(attribute="name") | list if log else []
    ) -%}

    create or replace temp table {{ pairs }} as
    select
        kept.rowid as kept_row,
        fresh.rowid as fresh_row,
        {% for name in logged -%}
            {% if name == "merged_in" -%} fresh.merged_in,
            {%- elif name == "was_merged_in" -%} kept.merged_in as was_merged_in,
            {%- else -%} kept.{{ name }},
            {%- endif %}
        {% endfor -%}
        {% if meta["version"] -%}
            ({{ qualified("fresh", meta["version"]) }})
            >= ({{ qualified("kept", meta["version"]) }})
            {%- if meta.get("always") %} or ({{ meta["always"] }}) {%- endif %}
        {%- else -%} true
        {%- endif %} as is_fresh_newer,
    from {{ fresh }} as fresh
    inner join {{ kept }} as kept
        on {% for name in arguments["unique_key"] -%}
            fresh.{{ name }} = kept.{{ name }}
            {%- if not loop.last %} and {% endif %}
        {%- endfor %}
    ;

    {% if log -%}
    insert into {{ log }} ({{ logged | join(", ") }})
    select {{ logged | join(", ") }} from {{ pairs }} where is_fresh_newer
    ;
    {%- endif %}

    delete from {{ kept }}
    where rowid in (select kept_row from {{ pairs }} where is_fresh_newer)
    ;

    insert into {{ kept }} ({{ columns }})
    select {{ columns }}
    from {{ fresh }}
    where
        rowid not in (select fresh_row from {{ pairs }} where not is_fresh_newer)
        {%- if meta.get("keep") %} and {{ meta["keep"] }} {%- endif %}
    {%- if meta.get("sort") %} order by {{ meta["sort"] }} {%- endif %}
    ;

    drop table {{ pairs }};
    drop table {{ fresh }}
{%- endmacro %}

{% macro qualified(relation, names) -%}
    {%- for name in names -%}
        {{ relation }}.{{ name }}{{ ", " if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{#- of the rows of a CTE, the newest of each key -#}
{% macro newest_rows(relation, key, version) -%}
    {{ return(adapter.dispatch("newest_rows", "trackline")(relation, key, version)) }}
{%- endmacro %}

{% macro default__newest_rows(relation, key, version) -%}
    select * {{ except_columns(["newest_first"]) }}
    from
        (
            select
                *,
                row_number() over (
                    partition by {{ key | join(", ") }}
                    order by {{ version | join(" desc, ") }} desc
                ) as newest_first,
            from {{ relation }}
        ) as ranked
    where newest_first = 1
{%- endmacro %}

{#- Few keys come twice: only their rows are ranked. 1.0 CPU s of a night of 2M rows against
    1.8 of a window over all of them. -#}
{% macro duckdb__newest_rows(relation, key, version) -%}
    {%- set key_hash = "hash(" ~ key | join(", ") ~ ")" -%}
    {%- set repeated -%}
        (select {{ key_hash }} from {{ relation }} group by 1 having count(*) > 1)
    {%- endset -%}
    select * from {{ relation }} where {{ key_hash }} not in {{ repeated }}
    union all
    select * from ({{ default__newest_rows(
        "(select * from " ~ relation ~ " where " ~ key_hash ~ " in " ~ repeated ~ ")",
        key,
        version,
    ) }})
{%- endmacro %}

{% macro except_columns(names) -%}
    {{ return(adapter.dispatch("except_columns", "trackline")(names)) }}
{%- endmacro %}

{% macro duckdb__except_columns(names) -%} exclude ({{ names | join(", ") }}) {%- endmacro %}

{% macro spark__except_columns(names) -%} except ({{ names | join(", ") }}) {%- endmacro %}
