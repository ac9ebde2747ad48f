-- one row per activity of a course whose type has potentials, hidden ones too
with
    potentials as (select * from {{ ref("module_potentials") }}),

    due_dates as (
        {% set instances = {
            "assign": "duedate",
            "choice": "timeclose",
            "data": "timeavailableto",
            "feedback": "timeclose",
            "lesson": "deadline",
            "quiz": "timeclose",
            "scorm": "timeclose",
            "workshop": "submissionend",
        } -%}
        {% for module, due_column in instances.items() -%}
            select
                district_id,
                '{{ module }}' as module,
                id as instance_id,
                nullif({{ due_column }}, 0) as due_at,
                {% if module == "choice" -%}
                    coalesce(showresults, 0) not in (0, 4) as shows_results,
                    case when showresults = 2 then timeclose end as results_at,
                {%- elif module == "feedback" -%}
                    coalesce(publish_stats, 0) <> 0 as shows_results,
                    cast(null as bigint) as results_at,
                {%- else -%} true as shows_results, cast(null as bigint) as results_at,
                {%- endif %}
            from {{ moodle(module) }} {{ "union all" if not loop.last }}
        {% endfor %}
    ),

    sections as (
        select district_id, id as section_id, section, availability, visible,
        from {{ moodle("course_sections") }}
    )

select
    cm.district_id,
    cm.course as course_id,
    cm.id as course_module_id,
    potentials.module,
    case
        when coalesce(due_dates.shows_results, false)
        then potentials.cognitive_potential
        else potentials.cognitive_potential_without_results
    end as cognitive_potential,
    potentials.social_potential,
    potentials.feedback_from,
    coalesce(cm.visible, 1) <> 0 and coalesce(sections.visible, 1) <> 0 as is_visible,
    due_dates.due_at,
    due_dates.results_at,
    coalesce(sections.section, 0) as section,
    {{ availability_date("cm.availability", ">=") }} as available_from,
    {{ availability_date("cm.availability", "<") }} as available_until,
    {{ availability_date("sections.availability", ">=") }} as section_available_from,
    {{ availability_date("sections.availability", "<") }} as section_available_until,
    cm.instance as instance_id,
from {{ moodle("course_modules") }} as cm
inner join
    {{ moodle("modules") }} as modules
    on cm.district_id = modules.district_id
    and cm.module = modules.id
inner join potentials on modules.name = potentials.module
left join
    due_dates
    on cm.district_id = due_dates.district_id
    and modules.name = due_dates.module
    and cm.instance = due_dates.instance_id
left join
    sections
    on cm.district_id = sections.district_id
    and cm.section = sections.section_id
where coalesce(cm.deletioninprogress, 0) = 0
