{#- Generic tests of our own: no package has to be installed. -#}
{#- The columns are one row's key: none is null and no two rows share them. A merge that lost
    its key would double a student's minutes without any error. On facts give date_column
    and newest_days: older days are not looked at (0.4 s at 17.5M rows). -#}
{% test primary_key(model, columns, date_column=none, newest_days=none) %}
    select {{ columns | join(", ") }}, count(*) as row_count,
    from {{ model }}
    {% if date_column -%}
        where
            {{ date_column }} > (
                select
                    {{ dbt.dateadd("day", -newest_days, "max(" ~ date_column ~ ")") }}
                from {{ model }}
            )
    {%- endif %}
    group by {{ columns | join(", ") }}
    having count(*) > 1 or {{ columns | join(" is null or ") }} is null
{% endtest %}

{#- No two rows share the columns; null is a value like any other. -#}
{% test unique_combination(model, columns) %}
    select {{ columns | join(", ") }}, count(*) as row_count,
    from {{ model }}
    group by {{ columns | join(", ") }}
    having count(*) > 1
{% endtest %}

{#- Every key of the model stands in the other table: the built-in test compares one column
    and would take a student of another district for the same one. -#}
{% test foreign_key(model, columns, to) %}
    select
        {% for name in columns %} model.{{ name }}, {% endfor %} count(*) as row_count,
    from {{ model }} as model
    left join
        {{ to }} as parents
        on {% for name in columns -%}
            model.{{ name }} = parents.{{ name }}{{ " and " if not loop.last }}
        {%- endfor %}
    where parents.{{ columns[0] }} is null
    group by
        {% for name in columns %}
            model.{{ name }}{{ ", " if not loop.last }}
        {% endfor %}
{% endtest %}

{#- A district that is disabled, or no longer configured, stands in its facts alone:
    somebody was promised that it is not shown. -#}
{% test only_enabled_districts(model) %}
    select distinct model.district_id
    from {{ model }} as model
    left join
        {{ ref("int_districts") }} as districts
        on model.district_id = districts.district_id
        and districts.is_enabled
    where districts.district_id is null
{% endtest %}
