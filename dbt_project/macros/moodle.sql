{#- rows of one table of the sites, as a relation for a from clause -#}
{% macro moodle(table_name) -%}
    (select * from {{ ref("int_moodle_records") }} where table_name = 'moodle/{{ table_name }}')
{%- endmacro %}
