{#- TRACKLINE_EVALUATE: `district/model/interval` separated by blanks; * is any district or
    model, an empty interval those of the settings -#}
{% macro evaluated_models(models) -%}
    ({%- for wanted in env_var("TRACKLINE_EVALUATE", "").split() -%}
        {%- set parts = wanted.replace("'", "''").split("/") -%}
        ('{{ parts[0] }}' in ('*', {{ models }}.district_id)
        and '{{ parts[1] }}' in ('*', {{ models }}.model_id))
        {{- " or " if not loop.last -}}
    {%- endfor -%})
    and not {{ models }}.is_static
{%- endmacro %}

{% macro evaluated_intervals(models, interval) -%}
    ({%- for wanted in env_var("TRACKLINE_EVALUATE", "").split() -%}
        {%- set named = wanted.replace("'", "''").split("/")[2] -%}
        {%- if named -%}
            {{ interval }} = '{{ named }}'
        {%- else -%}
            ({{ models }}.evaluation_intervals = ''
            or ' ' || {{ models }}.evaluation_intervals || ' ' like '% ' || {{ interval }} || ' %')
        {%- endif -%}
        {{- " or " if not loop.last -}}
    {%- endfor -%})
{%- endmacro %}

{#- seconds plus so many periods of an interval of days or months -#}
{% macro after_periods(seconds, count, periods="analyses") -%}
    case
        when {{ periods }}.days is not null
        then {{ seconds }} + {{ count }} * {{ periods }}.days * 86400
        else
            {{ seconds_of(
                add_months(timestamp_of(seconds), "(" ~ count ~ ") * " ~ periods ~ ".months")
            ) }}
    end
{%- endmacro %}

{#- how many whole periods lie between two seconds -#}
{% macro whole_periods(start, end, periods="analyses") -%}
    case
        when {{ periods }}.days is not null
        then {{ floor_divide(end ~ " - " ~ start, periods ~ ".days * 86400") }}
        else
            {{ floor_divide(whole_months(timestamp_of(start), timestamp_of(end)), periods ~ ".months") }}
    end
{%- endmacro %}

{#- the ranges of every kind of analysis interval, PROTOCOL section 6.2.

    relation  has starts_at, ends_at (0: none), now_at, first_analysed_at, and the interval's
              kind, parts, days, months; every other column is passed on
    Ranges count what happened after time_start and up to time_end; a range can be predicted
    once ready_at has come. Of the past and upcoming kinds all ranges are made where
    is_training holds, else the last only. -#}
{% macro interval_ranges(relation) -%}
    with
        analyses as (select * from {{ relation }}),

        digits as (
            {% for digit in range(10) -%}
                select {{ digit }} as digit {{ "union all" if not loop.last }}
            {% endfor %}
        ),

        -- a course that may be learned from has at most 131 ranges of three days
        numbers as (
            select units.digit + 10 * tens.digit + 100 * hundreds.digit as i,
            from digits as units
            cross join digits as tens
            cross join digits as hundreds
        ),

        single_ranges as (
            select
                analyses.*,
                0 as range_index,
                case when kind = 'unlimited' then 0 else starts_at end as time_start,
                case
                    when kind = 'unlimited'
                    then 2147483647
                    when kind = 'whole'
                    then ends_at
                    else now_at
                end as time_end,
                case when kind = 'after_start' then now_at else 0 end as ready_at,
            from analyses
            where
                kind = 'unlimited'
                or (kind = 'whole' and ends_at > 0)
                or (
                    kind = 'after_start'
                    and starts_at > 0
                    and case
                        when parts is not null
                        then
                            ends_at > 0
                            and starts_at <= now_at - (ends_at - starts_at) * 1.0 / parts
                        else starts_at <= {{ after_periods("now_at", "-1") }}
                    end
                )
        ),

        parts as (
            select
                analyses.*,
                numbers.i as range_index,
                starts_at + cast(
                    floor(cast(ends_at - starts_at as double) / parts * numbers.i) as bigint
                ) as part_start,
                case
                    when numbers.i = parts - 1
                    then ends_at
                    else
                        starts_at + cast(
                            floor(
                                cast(ends_at - starts_at as double)
                                / parts
                                * (numbers.i + 1)
                            ) as bigint
                        )
                end as time_end,
            from analyses
            inner join numbers on numbers.i < analyses.parts
            where
                kind in ('parts', 'parts_accumulated') and starts_at > 0
                and ends_at > starts_at
        ),

        part_ranges as (
            select
                parts.* {{ except_columns(["part_start", "time_end"]) }},
                case
                    when kind = 'parts_accumulated'
                    then starts_at
                    -- a part begins a second after the one before it, unless parts are
                    -- shorter than their number in seconds
                    when range_index > 0 and ends_at - starts_at >= parts.parts * parts.parts
                    then part_start + 1
                    else part_start
                end as time_start,
                time_end,
                time_end as ready_at,
            from parts
        ),

        counted_periods as (
            select
                analyses.*,
                case
                    when kind = 'past'
                    -- the first range is made whether the analysable ends before it or not
                    then greatest(
                        {{ whole_periods(
                            "starts_at",
                            "(case when ends_at > 0 then least(now_at, ends_at) else now_at end)",
                        ) }},
                        least({{ whole_periods("starts_at", "now_at") }}, 1)
                    )
                    else {{ whole_periods("first_analysed_at", "now_at") }} + 1
                end as period_count,
            from analyses
            where
                (kind = 'past' and starts_at > 0 and starts_at <= now_at)
                or kind = 'upcoming'
        ),

        periods as (
            select counted_periods.*, numbers.i as range_index,
            from counted_periods
            inner join numbers on numbers.i < counted_periods.period_count
            where is_training
            union all
            select counted_periods.*, period_count - 1 as range_index,
            from counted_periods
            where not is_training and period_count > 0
        ),

        placed_periods as (
            select
                periods.*,
                -- while the analysable goes on its last past range is moved to end now
                kind = 'past'
                and range_index = period_count - 1
                and (ends_at = 0 or ends_at > now_at) as is_shifted,
            from periods
        ),

        period_ranges as (
            select
                placed_periods.* {{ except_columns(["period_count", "is_shifted"]) }},
                case
                    when kind = 'past'
                    then
                        {{ after_periods("starts_at", "range_index", "placed_periods") }}
                        + case
                            when is_shifted
                            then
                                now_at
                                - {{ after_periods("starts_at", "(range_index + 1)", "placed_periods") }}
                            else 0
                        end
                    else {{ after_periods("first_analysed_at", "range_index", "placed_periods") }}
                end as time_start,
                case
                    when is_shifted
                    then now_at
                    when kind = 'past'
                    then {{ after_periods("starts_at", "(range_index + 1)", "placed_periods") }}
                    else
                        {{ after_periods("first_analysed_at", "(range_index + 1)", "placed_periods") }}
                end as time_end,
                case
                    when is_shifted
                    then now_at
                    when kind = 'past'
                    then {{ after_periods("starts_at", "(range_index + 1)", "placed_periods") }}
                    else {{ after_periods("first_analysed_at", "range_index", "placed_periods") }}
                end as ready_at,
            from placed_periods
        )

    select * from single_ranges
    union all
    select * from part_ranges
    union all
    select * from period_ranges
{%- endmacro %}

{#- a quotient of whole numbers, half away from zero to two places -#}
{% macro to_cents(numerator, denominator) -%}
    cast(
        case when {{ numerator }} < 0 then -1 else 1 end
        * {{ floor_divide(
            "(200 * abs(" ~ numerator ~ ") + " ~ denominator ~ ")",
            "(2 * " ~ denominator ~ ")",
        ) }} * cast(0.01 as decimal(3, 2)) as decimal(5, 2)
    )
{%- endmacro %}

{#- the first date condition of a direction in Moodle's availability JSON -#}
{% macro availability_date(availability, direction) -%}
    cast(
        nullif(
            regexp_extract(
                {{ availability }}, '"d" *: *"{{ direction }}" *, *"t" *: *([0-9]+)', 1
            ),
            ''
        ) as bigint
    )
{%- endmacro %}
