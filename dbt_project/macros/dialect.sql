{#- Everything that engines spell differently, one macro each. -#}

{#- the day of a UTC time in a zone -#}
{% macro local_date(at, time_zone) -%}
    {{ return(adapter.dispatch("local_date", "trackline")(at, time_zone)) }}
{%- endmacro %}

{% macro default__local_date(at, time_zone) -%}
    cast(({{ at }} at time zone 'UTC') at time zone {{ time_zone }} as date)
{%- endmacro %}

{% macro spark__local_date(at, time_zone) -%}
    cast(from_utc_timestamp({{ at }}, {{ time_zone }}) as date)
{%- endmacro %}

{#- numerator / denominator of decimals >= 0, half up to so many places, never through a
    float: both have the same scale -#}
{% macro divide(numerator, denominator, scale=6, places=6) -%}
    {{
        return(
            adapter.dispatch("divide", "trackline")(numerator, denominator, scale, places)
        )
    }}
{%- endmacro %}

{% macro duckdb__divide(numerator, denominator, scale, places) -%}
    {%- set n = "cast(" ~ numerator ~ " * 1" ~ "0" * scale ~ " as hugeint)" -%}
    {%- set d = "cast(" ~ denominator ~ " * 1" ~ "0" * scale ~ " as hugeint)" -%}
    cast(
        cast(({{ n }} * 1{{ "0" * places }} + ({{ d }} // 2)) // {{ d }} as decimal(24, 0))
        * cast(0.{{ "0" * (places - 1) }}1 as decimal({{ places + 1 }}, {{ places }}))
        as decimal({{ 12 + places }}, {{ places }})
    )
{%- endmacro %}

{#- Spark gives a quotient what 38 digits leave after the point: with operands of at most
    26 digits, 12 of them after it, that is 12 -#}
{% macro spark__divide(numerator, denominator, scale, places) -%}
    cast({{ numerator }} / {{ denominator }} as decimal({{ 12 + places }}, {{ places }}))
{%- endmacro %}

{#- the day on which the school year of a date began; school years begin on a day of a
    month, two whole numbers -#}
{% macro school_year_start(date, month, day) -%}
    make_date(
        cast(year({{ date }}) as integer) - case
            when month({{ date }}) * 100 + day({{ date }}) < {{ month }} * 100 + {{ day }}
            then 1
            else 0
        end,
        {{ month }},
        {{ day }}
    )
{%- endmacro %}

{#- the year in which a school year ends; one that begins on 1 January ends in that year -#}
{% macro school_year(start) -%}
    (
        year({{ start }})
        + case when month({{ start }}) = 1 and day({{ start }}) = 1 then 0 else 1 end
    )
{%- endmacro %}

{% macro microseconds_between(earlier, later) -%}
    {{ return(adapter.dispatch("microseconds_between", "trackline")(earlier, later)) }}
{%- endmacro %}

{% macro duckdb__microseconds_between(earlier, later) -%}
    (epoch_us({{ later }}) - epoch_us({{ earlier }}))
{%- endmacro %}

{% macro spark__microseconds_between(earlier, later) -%}
    (unix_micros({{ later }}) - unix_micros({{ earlier }}))
{%- endmacro %}

{#- the UTC time of seconds since 1970 -#}
{% macro timestamp_of(seconds) -%}
    {{ return(adapter.dispatch("timestamp_of", "trackline")(seconds)) }}
{%- endmacro %}

{% macro duckdb__timestamp_of(seconds) -%} make_timestamp(({{ seconds }}) * 1000000) {%- endmacro %}

{% macro spark__timestamp_of(seconds) -%} timestamp_seconds({{ seconds }}) {%- endmacro %}

{#- and the seconds of a UTC time -#}
{% macro seconds_of(time) -%}
    {{ return(adapter.dispatch("seconds_of", "trackline")(time)) }}
{%- endmacro %}

{% macro duckdb__seconds_of(time) -%} cast(epoch({{ time }}) as bigint) {%- endmacro %}

{% macro spark__seconds_of(time) -%} unix_seconds({{ time }}) {%- endmacro %}

{#- the UTC time of a local one -#}
{% macro utc_time(local, time_zone) -%}
    {{ return(adapter.dispatch("utc_time", "trackline")(local, time_zone)) }}
{%- endmacro %}

{% macro duckdb__utc_time(local, time_zone) -%}
    ((cast({{ local }} as timestamp) at time zone {{ time_zone }}) at time zone 'UTC')
{%- endmacro %}

{% macro spark__utc_time(local, time_zone) -%}
    to_utc_timestamp({{ local }}, {{ time_zone }})
{%- endmacro %}

{#- whole-number division, down -#}
{% macro floor_divide(numerator, denominator) -%}
    cast(floor(cast({{ numerator }} as double) / ({{ denominator }})) as bigint)
{%- endmacro %}

{#- so many calendar months after a time, at the same hour -#}
{% macro add_months(time, count) -%}
    {{ return(adapter.dispatch("add_months", "trackline")(time, count)) }}
{%- endmacro %}

{% macro duckdb__add_months(time, count) -%}
    {{ time }} + to_months(cast({{ count }} as integer))
{%- endmacro %}

{% macro spark__add_months(time, count) -%}
    {{ time }} + make_ym_interval(0, cast({{ count }} as int))
{%- endmacro %}

{#- whole calendar months between two times -#}
{% macro whole_months(start, end) -%}
    {%- set months -%}
        ((year({{ end }}) - year({{ start }})) * 12 + month({{ end }}) - month({{ start }}))
    {%- endset -%}
    ({{ months }} - case when {{ add_months(start, months) }} > {{ end }} then 1 else 0 end)
{%- endmacro %}

{#- the Monday that begins a date's ISO week -#}
{% macro week_start(date) -%} cast(date_trunc('week', {{ date }}) as date) {%- endmacro %}

{#- one row per day from the earliest to the latest date of a relation -#}
{% macro days_between(relation, first, last) -%}
    {{ return(adapter.dispatch("days_between", "trackline")(relation, first, last)) }}
{%- endmacro %}

{% macro duckdb__days_between(relation, first, last) -%}
    select
        cast(
            unnest(
                range(min({{ first }}), max({{ last }}) + interval 1 day, interval 1 day)
            ) as date
        ) as usage_date,
    from {{ relation }}
{%- endmacro %}

{% macro spark__days_between(relation, first, last) -%}
    select explode(sequence(min({{ first }}), max({{ last }}), interval 1 day)) as usage_date
    from {{ relation }}
{%- endmacro %}

{#- after the name of a CTE: read twice it is worked out twice. DuckDB would keep its rows,
    which for the rows of a load costs as much again as the load -#}
{% macro not_materialized() -%}
    {{ return(adapter.dispatch("not_materialized", "trackline")()) }}
{%- endmacro %}

{% macro default__not_materialized() -%} {%- endmacro %}

{% macro duckdb__not_materialized() -%} not materialized {%- endmacro %}
