{#- of the assessments of each student, the latest -#}
{% macro latest_assessments(relation) -%}
    {{ newest_rows(relation, key=["district_id", "student_id"], version=["measured_on"]) }}
{%- endmacro %}
