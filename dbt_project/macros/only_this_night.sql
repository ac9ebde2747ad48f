{#- Configuration of a model whose rows belong to one build: kept beside the staged rows,
    not in the warehouse. -#}
{% macro only_this_night() -%}
    {{- return(
        {"materialized": "table", "database": "staging" if target.type == "duckdb" else none}
    ) -}}
{%- endmacro %}
