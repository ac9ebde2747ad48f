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
    {%- set found = run_query(
        "select coalesce(comment, ''), trackline_key_fingerprint() from duckdb_tables()"
        ~ " where database_name = current_database() and schema_name = '"
        ~ target.schema ~ "' and table_name = 'dq_files'"
    ).rows -%}
    {%- if found | length and found[0][0] != found[0][1] -%}
        {%- do exceptions.raise_compiler_error(
            "TRACKLINE_PSEUDONYM_KEY is not the one that this warehouse was built with."
            ~ " Set that key, or rebuild with: dbt build --full-refresh"
        ) -%}
    {%- endif -%}
{%- endmacro %}

{#- A full refresh reads every landing file again, so nothing counts as read. -#}
{% macro forget_ledger_on_full_refresh() -%}
    {%- if execute and flags.FULL_REFRESH and flags.WHICH in ["build", "run"] -%}
        {%- set ledger = load_relation(ledger_relation()) -%}
        {%- if ledger -%}
            {#- emptied, not dropped: dbt would still believe in the table -#}
            {%- do run_query("delete from " ~ ledger) -%}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}

{#- What earlier builds have read. The ledger stands at the end of the graph, so the models
    before it see it as the last build left it, and cannot ref it. -#}
{% macro ledger_relation() -%}
    {{- return(api.Relation.create(
        database=target.database, schema=target.schema, identifier="dq_files"
    )) -}}
{%- endmacro %}
