{#- What is settled before any table changes. -#}

{% macro refuse_wrong_configuration() -%}
    {%- if execute and flags.WHICH in ["build", "run", "seed", "test"] -%}
        {%- set problems = adapter.dispatch("configuration_problems", "trackline")() -%}
        {%- if problems -%}
            {%- do exceptions.raise_compiler_error(
                "The configuration is refused and nothing has been changed.\n" ~ problems
            ) -%}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}

{% macro duckdb__configuration_problems() -%}
    {{- return(run_query("select trackline_configuration_problems()").rows[0][0]) -}}
{%- endmacro %}

{#- Ids under two keys in one warehouse would count a student twice: section 7. The
    fingerprint lives in dq_files' comment, the one table that says what was read. -#}
{% macro refuse_another_pseudonym_key() -%}
    {%- if execute and flags.WHICH in ["build", "run"] and not flags.FULL_REFRESH -%}
        {%- do adapter.dispatch("refuse_another_pseudonym_key", "trackline")() -%}
    {%- endif -%}
{%- endmacro %}

{% macro duckdb__refuse_another_pseudonym_key() -%}
    {%- set keys = pseudonym_keys() if load_relation(ledger_relation()) else ["", ""] -%}
    {%- if keys[0] != keys[1] -%} {%- do refuse_key() -%} {%- endif -%}
{%- endmacro %}

{% macro refuse_key() -%}
    {%- do exceptions.raise_compiler_error(
        "TRACKLINE_PSEUDONYM_KEY is not the one that this warehouse was built with."
        ~ " Set that key, or rebuild with: dbt build --full-refresh"
    ) -%}
{%- endmacro %}

{#- A full refresh reads every landing file again, so nothing counts as read. The ledger is
    emptied, not dropped: dbt has listed the tables by now and would rename it. -#}
{% macro forget_ledger_on_full_refresh() -%}
    {%- if
        execute
        and flags.FULL_REFRESH
        and flags.WHICH in ["build", "run"]
        and load_relation(ledger_relation())
    -%}
        {%- do adapter.dispatch("forget_ledger", "trackline")() -%}
    {%- endif -%}
{%- endmacro %}

{#- Until a refresh under another key is through, tables of both stand side by side: no key
    opens the warehouse but with a full refresh. -#}
{% macro duckdb__forget_ledger() -%}
    {%- do run_query("delete from " ~ ledger_relation()) -%}
    {%- set keys = pseudonym_keys() -%}
    {%- if keys[0] != keys[1] -%}
        {%- do run_query(
            "comment on table " ~ ledger_relation() ~ " is 'between two keys'"
        ) -%}
    {%- endif -%}
{%- endmacro %}

{#- fingerprints: of the key that the ledger was written with, and of the one that is set -#}
{% macro pseudonym_keys() -%}
    {{- return(run_query(
        "select coalesce(comment, ''), trackline_key_fingerprint() from duckdb_tables()"
        ~ " where database_name = current_database() and schema_name = '"
        ~ target.schema ~ "' and table_name = 'dq_files'"
    ).rows[0]) -}}
{%- endmacro %}

{#- What earlier builds have read. The ledger stands at the end of the graph, so the models
    before it see it as the last build left it, and cannot ref it. -#}
{% macro ledger_relation() -%}
    {{- return(api.Relation.create(
        database=target.database or none, schema=target.schema, identifier="dq_files"
    )) -}}
{%- endmacro %}
