/* SPDX-License-Identifier: Apache-2.0 */
/* scaling/provision-spec: names, labels and what may be asked for. */
#include <string.h>

#include "cluster/ledger-read.h"
#include "scaling/provisioner-private.h"

#define TREE_LABEL_MAX_CHARS 30
#define TREE_DIGEST_CHARS 8
#define MEMBER_MAX_CHARS 8

static gboolean
is_dns_label (const char *text, gsize max_chars)
{
  gsize len = strlen (text);

  if (len == 0 || len > max_chars || text[0] == '-' || text[len - 1] == '-')
    return FALSE;
  return strspn (text, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
}

gboolean
scaling_provision_name_is_valid (const char *name)
{
  return name != NULL && is_dns_label (name, SCALING_PROVISION_NAME_MAX_CHARS);
}

char *
scaling_provision_dup_tree_label (const char *tree_id)
{
  g_autofree char *digest = NULL, *part = NULL;

  if (is_dns_label (tree_id, TREE_LABEL_MAX_CHARS))
    return g_strdup (tree_id);
  digest = g_compute_checksum_for_string (G_CHECKSUM_SHA256, tree_id, -1);
  digest[TREE_DIGEST_CHARS] = '\0';
  part = g_ascii_strdown (
      tree_id,
      MIN (strlen (tree_id), TREE_LABEL_MAX_CHARS - TREE_DIGEST_CHARS - 3));
  g_strcanon (part, "abcdefghijklmnopqrstuvwxyz0123456789", '-');
  return g_strdup_printf ("t%s-%s", part, digest);
}

char *
scaling_provision_dup_name (const char *tree_id, guint ordinal, guint gen,
                            const char *member)
{
  g_autofree char *tree = scaling_provision_dup_tree_label (tree_id);

  g_return_val_if_fail (strlen (member) <= MEMBER_MAX_CHARS, NULL);
  return g_strdup_printf ("mt-%s-s%u-g%u-%s", tree, ordinal, gen, member);
}

/* "…-s3-g1-e0" → 3, 1, "e0": FALSE: of another form */
static gboolean
split_name (const char *name, guint *ret_ordinal, guint *ret_gen,
            const char **ret_member)
{
  const char *member = strrchr (name, '-');
  const char *gen =
      member != NULL ? g_strrstr_len (name, member - name, "-g") : NULL;
  const char *ordinal =
      gen != NULL ? g_strrstr_len (name, gen - name, "-s") : NULL;
  g_autofree char *gen_text = NULL, *ordinal_text = NULL;
  guint64 numbers[2];

  if (ordinal == NULL || strlen (member + 1) > MEMBER_MAX_CHARS)
    return FALSE;
  gen_text = g_strndup (gen + 2, (gsize)(member - gen) - 2);
  ordinal_text = g_strndup (ordinal + 2, (gsize)(gen - ordinal) - 2);
  if (!g_ascii_string_to_unsigned (ordinal_text, 10, 0,
                                   CLUSTER_MAX_SUBTREES - 1, &numbers[0], NULL)
      || !g_ascii_string_to_unsigned (gen_text, 10, 0, G_MAXUINT, &numbers[1],
                                      NULL))
    return FALSE;
  *ret_ordinal = (guint)numbers[0];
  *ret_gen = (guint)numbers[1];
  *ret_member = member + 1;
  return TRUE;
}

gboolean
scaling_provision_parse_name (const char *tree_id, const char *name,
                              guint *ret_ordinal, guint *ret_gen,
                              const char **ret_member)
{
  guint ordinal, gen;
  const char *member;
  g_autofree char *again = NULL;

  if (!split_name (name, &ordinal, &gen, &member))
    return FALSE;
  again = scaling_provision_dup_name (tree_id, ordinal, gen, member);
  if (strcmp (again, name) != 0)
    return FALSE;
  *ret_ordinal = ordinal;
  *ret_gen = gen;
  *ret_member = member;
  return TRUE;
}

guint
scaling_provision_place (const char *name, const char *const *places, guint n)
{
  g_autofree char *highest = NULL;
  guint found = 0;

  for (guint i = 0; i < n; i++)
    {
      g_autofree char *both = g_strdup_printf ("%s\n%s", name, places[i]);
      g_autofree char *digest =
          g_compute_checksum_for_string (G_CHECKSUM_SHA256, both, -1);

      if (highest != NULL && strcmp (digest, highest) <= 0)
        continue;
      g_free (highest);
      highest = g_steal_pointer (&digest);
      found = i;
    }
  return found;
}

/* --- labels -------------------------------------------------------------- */

const char *
scaling_labels_get (const char *const *labels, const char *key)
{
  for (; labels != NULL && labels[0] != NULL; labels += 2)
    if (g_str_equal (labels[0], key))
      return labels[1];
  return NULL;
}

static gboolean
items_are_good (const char *const *items, const char *prefix)
{
  guint n = 0;

  for (; items != NULL && items[n] != NULL; n++)
    if (n >= SCALING_PROVISION_MAX_ITEMS || strchr (items[n], '=') == NULL
        || items[n][0] == '=' || !g_str_has_prefix (items[n], prefix)
        || strlen (items[n]) > SCALING_PROVISION_ITEM_MAX_BYTES
        || !g_utf8_validate (items[n], -1, NULL))
      return FALSE;
  return TRUE;
}

gboolean
scaling_provision_spec_is_good (const ScalingSpec *spec)
{
  return spec->role != NULL && spec->role[0] != '\0' && spec->tree_id != NULL
         && spec->tree_id[0] != '\0' && items_are_good (spec->args, "--")
         && items_are_good (spec->env, "") && items_are_good (spec->labels, "")
         && (spec->labels == NULL
             || g_strv_length ((char **)spec->labels)
                    <= SCALING_PROVISION_MAX_LABELS);
}

static void
add_label (GStrvBuilder *builder, const char *key, const char *value)
{
  g_strv_builder_add (builder, key);
  g_strv_builder_add (builder, value);
}

char **
scaling_provision_dup_labels (const char *name, const ScalingSpec *spec,
                              const ScalingToken *token)
{
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  char number[16];

  add_label (builder, SCALING_LABEL_NAME, name);
  add_label (builder, SCALING_LABEL_TREE, spec->tree_id);
  add_label (builder, SCALING_LABEL_TOKEN, token->text);
  add_label (builder, SCALING_LABEL_ROLE, spec->role);
  g_snprintf (number, sizeof number, "%u", spec->ordinal);
  add_label (builder, SCALING_LABEL_ORDINAL, number);
  g_snprintf (number, sizeof number, "%u", spec->gen);
  add_label (builder, SCALING_LABEL_GEN, number);
  for (guint i = 0; spec->labels != NULL && spec->labels[i] != NULL; i++)
    {
      g_auto (GStrv) pair = g_strsplit (spec->labels[i], "=", 2);
      /* ours cannot be said otherwise */
      if (!g_str_has_prefix (pair[0], "mt."))
        add_label (builder, pair[0], pair[1]);
    }
  return g_strv_builder_end (builder);
}
