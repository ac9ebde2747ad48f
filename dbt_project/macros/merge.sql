{#- The merge: newest version of a key wins. One probe joins what was read with what is
    kept; the losers go by rowid, the winners are inserted. Measured at 100M kept rows and
    a night of 2M against MERGE, delete+insert by key and a primary key: docs/adr/0002.

    A model that uses it names in its meta
      version  the columns that order two versions of one key, most telling first; of two
               equal ones the fresh wins: the file was overwritten within its time
      always   (optional) SQL on kept and fresh: replaced whatever the versions say
      changes  (optional) models to which every winner is appended, one for each reader; a
               column was_x there takes the kept row's x -#}

{% macro get_incremental_newest_version_sql(arguments) -%}
    {{ return(adapter.dispatch("newest_version", "trackline")(arguments)) }}
{%- endmacro %}

{% macro duckdb__newest_version(arguments) -%}
    {%- set kept = arguments["target_relation"].include(database=false) -%}
    {%- set fresh = arguments["temp_relation"] -%}
    {%- set key = arguments["unique_key"] -%}
    {%- set columns = arguments["dest_columns"] | map(attribute="quoted") | join(", ") -%}
    {%- set meta = config.get("meta") -%}
    {%- set version = meta["version"] -%}
    {%- set winners = "winners_of_" ~ this.identifier -%}
    {%- set queues = [] -%}
    {%- set earlier = [] -%}
    {%- for name in meta.get("changes", []) -%}
        {%- set names = queue_columns(ref(name)) -%}
        {%- do queues.append((ref(name), names["now"] + names["was"])) -%}
        {%- do earlier.extend(names["was"] | reject("in", earlier) | list) -%}
    {%- endfor -%}

    create or replace temp table {{ winners }} as
    select
        fresh.*,
        kept.rowid as kept_row,
        {% for name in earlier -%}
            kept.{{ name[4:] }} as {{ name }},
        {% endfor %}
    from {{ fresh }} as fresh
    left join {{ kept }} as kept
        on {% for name in key -%}
            fresh.{{ name }} = kept.{{ name }}
            {%- if not loop.last %} and {% endif %}
        {%- endfor %}
    where
        kept.{{ key[0] }} is null
        {% if version -%}
        or (
            {%- for name in version %}fresh.{{ name }}{{ ", " if not loop.last }}{% endfor -%}
        ) >= (
            {%- for name in version %}kept.{{ name }}{{ ", " if not loop.last }}{% endfor -%}
        )
        {%- else -%}
        or true
        {%- endif %}
        {% if meta.get("always") -%} or ({{ meta["always"] }}) {%- endif %}
    ;

    {% for queue, names in queues -%}
    insert into {{ queue }} ({{ names | join(", ") }})
    select {{ names | join(", ") }} from {{ winners }}
    ;
    {%- endfor %}

    delete from {{ kept }}
    where rowid in (select kept_row from {{ winners }} where kept_row is not null)
    ;

    insert into {{ kept }} ({{ columns }})
    select {{ columns }} from {{ winners }}
    {%- if meta.get("keep") %} where {{ meta["keep"] }} {%- endif %}
    {%- if meta.get("sort") %} order by {{ meta["sort"] }} {%- endif %}
    ;

    drop table {{ winners }}
{%- endmacro %}

{% macro queue_columns(queue) -%}
    {%- set names = {"now": [], "was": []} -%}
    {%- for column in adapter.get_columns_in_relation(queue) -%}
        {%- do names["was" if column.name.startswith("was_") else "now"].append(column.name) -%}
    {%- endfor -%}
    {{- return(names) -}}
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

{% macro except_columns(names) -%}
    {{ return(adapter.dispatch("except_columns", "trackline")(names)) }}
{%- endmacro %}

{% macro duckdb__except_columns(names) -%} exclude ({{ names | join(", ") }}) {%- endmacro %}

{% macro spark__except_columns(names) -%} except ({{ names | join(", ") }}) {%- endmacro %}

{#- how two deliveries of one day of use are told apart: INTERFACE section 2, Versions -#}
{% macro usage_version() -%}
    {{- return(
        ["source_rank", "updated_at", "file_modified_at", "path", "record_number"]
    ) -}}
{%- endmacro %}
