/* control_reload.c - see control_reload.h */
#include "control_reload.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "conf_settings.h"

int loaded_make(struct loaded *ret, const char *path, const struct conf_opener *opener,
                uint64_t generation, struct conf_error *ret_error)
{
    struct loaded made = LOADED_NONE;
    int rc = conf_load(path, opener, &made.conf, ret_error);

    if (rc != 0)
        return rc;
    rc = compile_policy(made.conf, opener, generation, &made.image, ret_error);
    if (rc != 0) {
        conf_free(made.conf);
        return rc;
    }
    *ret = made;
    return 0;
}

void loaded_done(struct loaded *loaded)
{
    loaded->conf = conf_free(loaded->conf);
    if (loaded->image.fd >= 0)
        close(loaded->image.fd);
    loaded->image.fd = -1;
}

static json_t *line_json(const char *line)
{
    json_t *text = json_string(line);

    /* A file name may be no UTF-8. */
    return text != NULL ? text : json_string("an error whose words are not UTF-8");
}

json_t *error_lines(const struct conf_error *error)
{
    json_t *lines = json_array();

    for (uint32_t i = 0; i < error->count; i++)
        json_array_append_new(lines, line_json(error->line[i]));
    if (error->more)
        json_array_append_new(lines, json_string("and more"));
    return lines;
}

json_t *error_text(const struct conf_error *error)
{
    char text[CONF_ERRORS_MAX * CONF_ERROR_BYTES + 16] = "";
    size_t at = 0;

    for (uint32_t i = 0; i < error->count; i++)
        at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%s", i > 0 ? "\n" : "",
                               error->line[i]);
    if (error->more)
        snprintf(text + at, sizeof(text) - at, "\nand more");
    return line_json(text);
}

/* ---- the baseline ---- */

/* Moves the named members of a SETTINGS text into into[section]. */
static void section_add(json_t *into, const char *section, char *take_text,
                        const char *const *members)
{
    json_t *all = take_text != NULL ? json_loads(take_text, 0, NULL) : NULL;
    json_t *some = json_object();

    for (; all != NULL && *members != NULL; members++)
        json_object_set(some, *members, json_object_get(all, *members));
    json_object_set_new(into, section, some);
    json_decref(all);
    free(take_text);
}

json_t *baseline_make(const struct conf *conf)
{
    static const char *const dataplane[] = {
        "cores", "memory_bytes", "shared_config", "hugepages", "sessions", "ports", NULL};
    static const char *const queue[] = {"directory", NULL};
    static const char *const general[] = {"instance", "runtime", "user", "log", NULL};
    json_t *b = json_object();

    if (b == NULL)
        return NULL;
    section_add(b, "", conf_settings_dataplane(conf, 0, false), general);
    section_add(b, "dataplane", conf_settings_dataplane(conf, 0, false), dataplane);
    section_add(b, "queue", conf_settings_queue(conf, 0), queue);
    return b;
}

/* The configuration's own word for a member of SETTINGS. */
static const char *key_of(const char *member)
{
    static const char *const names[][2] = {
        {"memory_bytes", "memory"           },
        {"sessions",     "limits.sessions"  },
        {"runtime",      "runtime.directory"},
        {"user",         "runtime.user"     },
    };

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (strcmp(member, names[i][0]) == 0)
            return names[i][1];
    return member;
}

json_t *baseline_changes(const json_t *baseline, const struct conf *conf)
{
    json_t *changes = json_array(), *now = baseline_make(conf), *section, *value;
    const char *name, *member;

    json_object_foreach(now, name, section)
    {
        const json_t *then = json_object_get(baseline, name);

        json_object_foreach(section, member, value)
        {
            char key[128];

            if (json_equal(value, json_object_get(then, member)))
                continue;
            snprintf(key, sizeof(key), "%s%s%s", name, *name != '\0' ? "." : "", key_of(member));
            json_array_append_new(changes, json_string(key));
        }
    }
    json_decref(now);
    return changes;
}

static bool baseline_path(const char *runtime, const char *suffix, char path[4096])
{
    return snprintf(path, 4096, "%s/control.baseline%s", runtime, suffix) < 4096;
}

int baseline_save(const char *runtime, const json_t *baseline)
{
    char path[4096], draft[4096];

    if (!baseline_path(runtime, "", path) || !baseline_path(runtime, ".new", draft))
        return -ENAMETOOLONG;
    if (json_dump_file(baseline, draft, JSON_COMPACT) != 0)
        return -EIO;
    return rename(draft, path) != 0 ? -errno : 0;
}

json_t *baseline_load(const char *runtime)
{
    char path[4096];
    json_t *b;

    if (!baseline_path(runtime, "", path))
        return NULL;
    b = json_load_file(path, 0, NULL);
    if (json_is_object(b))
        return b;
    json_decref(b);
    return NULL;
}
