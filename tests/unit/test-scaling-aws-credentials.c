/* SPDX-License-Identifier: Apache-2.0 */
/* The chain of AWS's credentials: each of its places, what is broken there,
 * renewal, and places that do not answer. */
#include "scaling/aws-credentials.h"

#include <string.h>
#include <unistd.h>

#include "scaling-stand-in.h"

#define KEYS                                                                   \
  "{\"Code\": \"Success\", \"AccessKeyId\": \"AK\", \"SecretAccessKey\": "     \
  "\"SK\", \"Token\": \"TK\", \"Expiration\": \"2999-01-01T00:00:00Z\"}"

/* --- Forms -------------------------------------------------------------- */

/* check: @keys: (transfer full) */
static void
check (ScalingAwsKeys *keys, const char *access_key, const char *secret_key,
       const char *token)
{
  g_assert_nonnull (keys);
  g_assert_cmpstr (keys->access_key, ==, access_key);
  g_assert_cmpstr (keys->secret_key, ==, secret_key);
  g_assert_cmpstr (keys->session_token, ==, token);
  scaling_aws_keys_free (keys);
}

static void
test_profile (void)
{
  static const char text[] =
      "; a comment\n"
      "[other]\naws_access_key_id = no\naws_secret_access_key = no\n"
      "[ default ]\r\n"
      "  aws_access_key_id = nested, belongs to who came before\n"
      "AWS_Access_Key_Id=AK\r\n# aws_secret_access_key = no\n"
      "aws_secret_access_key = S=K/+ \n"
      "region = eu-west-1\ns3 =\n  max_queue_size = 9\n"
      "[half]\naws_access_key_id = AK\n"
      "[role]\nrole_arn = arn:aws:iam::1:role/x\n"
      "[bad]\naws_access_key_id = A K\naws_secret_access_key = x\n"
      "[none]\n[open\naws_access_key_id = AK\n"
      "[token]\naws_access_key_id = AK\naws_secret_access_key = SK\n"
      "aws_session_token = TK";
  static const char config[] =
      "[default]\naws_access_key_id = AD\naws_secret_access_key = SD\n"
      "[profile p]\naws_access_key_id = AP\naws_secret_access_key = SP\n"
      "[p]\naws_access_key_id = no\naws_secret_access_key = no\n";
  static const struct
  {
    const char *profile, *says;
  } rows[] = { { "half", "one is missing" },
               { "role", "role_arn" },
               { "bad", "access key" } };
  g_autofree char *long_text =
      g_strnfill (SCALING_AWS_FILE_MAX_BYTES + 1, '\n');
  g_autoptr (GError) error = NULL;

#define READ(profile, error)                                                   \
  scaling_aws_keys_from_profile (text, strlen (text), profile, FALSE, error)
  check (READ ("default", NULL), "AK", "S=K/+", NULL);
  check (READ ("token", NULL), "AK", "SK", "TK");
  check (
      scaling_aws_keys_from_profile (config, strlen (config), "p", TRUE, NULL),
      "AP", "SP", NULL);
  check (scaling_aws_keys_from_profile (config, strlen (config), "default",
                                        TRUE, NULL),
         "AD", "SD", NULL);
  g_assert_null (READ ("none", &error));
  g_assert_no_error (error);
  g_assert_null (READ ("open", &error));
  g_assert_no_error (error);
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_assert_null (READ (rows[i].profile, &error));
      g_assert_error (error, SCALING_EXPORT_ERROR,
                      SCALING_EXPORT_ERROR_CREDENTIALS);
      g_assert_nonnull (strstr (error->message, rows[i].says));
      g_assert_nonnull (strstr (error->message, rows[i].profile));
      g_clear_error (&error);
    }
  g_assert_null (scaling_aws_keys_from_profile (
      long_text, SCALING_AWS_FILE_MAX_BYTES, "default", FALSE, &error));
  g_assert_no_error (error);
  g_assert_null (scaling_aws_keys_from_profile (
      long_text, SCALING_AWS_FILE_MAX_BYTES + 1, "default", FALSE, &error));
  g_assert_nonnull (error);
}

static void
test_json (void)
{
  static const char *const bad[] = {
    "",
    "null",
    "[]",
    "{}",
    "{\"AccessKeyId\": \"a\"}",
    "{\"AccessKeyId\": 1, \"SecretAccessKey\": \"b\"}",
    "{\"AccessKeyId\": \"a\", \"SecretAccessKey\": \"b\\r\\nX: y\"}",
    "{\"AccessKeyId\": \"a\", \"SecretAccessKey\": \"b\", \"Token\": \"\\n\"}",
    "{\"AccessKeyId\": \"a\", \"SecretAccessKey\": \"b\", \"Expiration\": "
    "\"soon\"}",
    "{\"Code\": \"AssumeRoleUnauthorizedAccess\", \"AccessKeyId\": \"a\", "
    "\"SecretAccessKey\": \"b\"}",
  };
  ScalingAwsKeys *keys = scaling_aws_keys_from_json (KEYS, strlen (KEYS), NULL);
  g_autofree char *token = g_strnfill (SCALING_AWS_TOKEN_MAX_CHARS, 't');

  g_assert_cmpint (keys->expires_wall_us, ==,
                   G_GINT64_CONSTANT (32472144000) * G_USEC_PER_SEC);
  check (keys, "AK", "SK", "TK");
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_null (
          scaling_aws_keys_from_json (bad[i], strlen (bad[i]), &error));
      g_assert_error (error, SCALING_EXPORT_ERROR,
                      SCALING_EXPORT_ERROR_CREDENTIALS);
    }
  for (guint more = 0; more <= 1; more++)
    {
      g_autofree char *text = g_strdup_printf (
          "{\"AccessKeyId\": \"a\", \"SecretAccessKey\": \"b\", \"Token\": "
          "\"%s%s\"}",
          token, more ? "t" : "");
      ScalingAwsKeys *read =
          scaling_aws_keys_from_json (text, strlen (text), NULL);

      g_assert_true ((read == NULL) == (more == 1));
      g_clear_pointer (&read, scaling_aws_keys_free);
    }
}

static void
test_container_url (void)
{
  static const char *const good[] = {
    "https://example.com/x",
    "http://127.0.0.1:80/x",
    "http://localhost/x",
    "http://169.254.170.2/x",
    "http://169.254.170.23/v1/c",
    "http://[fd00:ec2::23]/v1",
    "http://[::1]/x",
  };
  static const char *const bad[] = {
    "http://example.com/x",
    "http://169.254.169.254/x",
    "ftp://127.0.0.1/x",
    "/x",
    "",
    "http:///x",
    "http://10.0.0.1/",
    "http://localhost.evil/x",
  };

  for (guint i = 0; i < G_N_ELEMENTS (good); i++)
    g_assert_true (scaling_aws_credentials_is_container_url (good[i]));
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    g_assert_false (scaling_aws_credentials_is_container_url (bad[i]));
}

/* --- The chain ---------------------------------------------------------- */

typedef struct
{
  guint n_answers;
  char *access_key, *token; /* owned, nullable */
  GError *error;            /* owned, nullable */
} Got;

static void
got_clear (Got *self)
{
  g_clear_pointer (&self->access_key, g_free);
  g_clear_pointer (&self->token, g_free);
  g_clear_error (&self->error);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Got, got_clear)

static void
on_keys (const ScalingAwsKeys *keys, const GError *error, gpointer data)
{
  Got *got = data;

  g_assert_true ((keys == NULL) != (error == NULL));
  got_clear (got);
  got->n_answers++;
  got->access_key = keys ? g_strdup (keys->access_key) : NULL;
  got->token = keys ? g_strdup (keys->session_token) : NULL;
  got->error = error ? g_error_copy (error) : NULL;
}

static void
ask (ScalingAwsCredentials *chain, Got *got)
{
  guint n = got->n_answers;

  scaling_aws_credentials_get (chain, on_keys, got);
  WAIT_FOR (got->n_answers > n);
}

/* env_of: (transfer full): name, value, …, %NULL */
static char **
env_of (const char *name, ...)
{
  char **env = g_new0 (char *, 1);
  va_list args;

  va_start (args, name);
  for (; name; name = va_arg (args, const char *))
    env = g_environ_setenv (env, name, va_arg (args, const char *), TRUE);
  va_end (args);
  return env;
}

static void
test_environment (void)
{
  g_auto (GStrv) env =
      env_of ("AWS_ACCESS_KEY_ID", "AE", "AWS_SECRET_ACCESS_KEY", "SE",
              "AWS_SESSION_TOKEN", "TE", "AWS_PROFILE", "missing", NULL);
  g_auto (GStrv) half = env_of ("AWS_ACCESS_KEY_ID", "AE", NULL);
  g_autoptr (ScalingAwsCredentials) chain =
      scaling_aws_credentials_new (env, NULL);
  g_autoptr (ScalingAwsCredentials) broken =
      scaling_aws_credentials_new (half, NULL);
  g_auto (Got) got = { 0 };

  ask (chain, &got);
  g_assert_cmpstr (got.access_key, ==, "AE");
  g_assert_cmpstr (got.token, ==, "TE");
  ask (broken, &got);
  g_assert_error (got.error, SCALING_EXPORT_ERROR,
                  SCALING_EXPORT_ERROR_CREDENTIALS);
  g_assert_nonnull (strstr (got.error->message, "AWS_SECRET_ACCESS_KEY"));
}

static void
test_files (void)
{
  g_autofree char *home = g_dir_make_tmp ("media-tree-XXXXXX", NULL);
  g_autofree char *aws = g_build_filename (home, ".aws", NULL);
  g_autofree char *credentials = g_build_filename (aws, "credentials", NULL);
  g_autofree char *config = g_build_filename (aws, "config", NULL);
  g_auto (GStrv) by_default = env_of ("HOME", home, NULL);
  g_auto (GStrv) by_name = env_of ("HOME", home, "AWS_PROFILE", "p", NULL);
  g_auto (GStrv) missing =
      env_of ("AWS_SHARED_CREDENTIALS_FILE", credentials, "AWS_CONFIG_FILE",
              config, "AWS_PROFILE", "missing", NULL);
  char **envs[] = { by_default, by_name, missing };
  static const char *const expected[] = { "AD", "AP", NULL };
  g_auto (Got) got = { 0 };

  g_assert_cmpint (g_mkdir_with_parents (aws, 0700), ==, 0);
  g_assert_true (g_file_set_contents (
      credentials, "[default]\naws_access_key_id=AD\naws_secret_access_key=S",
      -1, NULL));
  g_assert_true (g_file_set_contents (
      config, "[profile p]\naws_access_key_id=AP\naws_secret_access_key=S", -1,
      NULL));
  for (guint i = 0; i < G_N_ELEMENTS (envs); i++)
    {
      g_autoptr (ScalingAwsCredentials) chain =
          scaling_aws_credentials_new (envs[i], NULL);

      ask (chain, &got);
      g_assert_cmpstr (got.access_key, ==, expected[i]);
    }
  g_assert_nonnull (strstr (got.error->message, "missing"));
  g_assert_nonnull (strstr (got.error->message, credentials));
  unlink (credentials);
  unlink (config);
  rmdir (aws);
  rmdir (home);
}

static void
test_container (void)
{
  static const StandInAnswer answers[] = { { 200, KEYS },
                                           { 500, NULL },
                                           { 200, "{" } };
  g_autoptr (StandIn) server = stand_in_new (answers, G_N_ELEMENTS (answers));
  g_auto (GStrv) env =
      env_of ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/credentials/x",
              "AWS_CONTAINER_AUTHORIZATION_TOKEN", "secret word", NULL);
  g_auto (GStrv) outside =
      env_of ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://192.0.2.1/", NULL);
  g_auto (GStrv) bad_token =
      env_of ("AWS_CONTAINER_CREDENTIALS_FULL_URI", server->url,
              "AWS_CONTAINER_AUTHORIZATION_TOKEN", "a\nb", NULL);
  g_autoptr (ScalingAwsCredentials) chain =
      scaling_aws_credentials_new (env, server->url);
  g_autoptr (ScalingAwsCredentials) elsewhere =
      scaling_aws_credentials_new (outside, NULL);
  g_autoptr (ScalingAwsCredentials) broken =
      scaling_aws_credentials_new (bad_token, NULL);
  g_auto (Got) got = { 0 };

  ask (chain, &got);
  g_assert_cmpstr (got.access_key, ==, "AK");
  g_assert_cmpstr (stand_in_get_path (server, 0), ==, "/v2/credentials/x");
  g_assert_cmpstr (stand_in_get_header (server, 0, "authorization"), ==,
                   "secret word");
  ask (chain, &got); /* those that hold are not asked for again */
  g_assert_cmpuint (server->requests->len, ==, 1);
  scaling_aws_credentials_forget (chain);
  ask (chain, &got);
  g_assert_error (got.error, SCALING_EXPORT_ERROR, SCALING_EXPORT_ERROR_AWAY);
  g_assert_nonnull (strstr (got.error->message, "container: answered 500"));
  ask (chain, &got);
  g_assert_error (got.error, SCALING_EXPORT_ERROR,
                  SCALING_EXPORT_ERROR_CREDENTIALS);
  ask (elsewhere, &got);
  g_assert_nonnull (strstr (got.error->message, "neither HTTPS nor"));
  ask (broken, &got);
  g_assert_nonnull (strstr (got.error->message, "no header"));
  g_assert_null (strstr (got.error->message, "secret"));
  g_assert_cmpuint (server->requests->len, ==, 3);
}

static void
test_token_file (void)
{
  static const StandInAnswer answers[] = { { 200, KEYS } };
  g_autoptr (StandIn) server = stand_in_new (answers, G_N_ELEMENTS (answers));
  g_autofree char *home = g_dir_make_tmp ("media-tree-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (home, "token", NULL);
  g_auto (GStrv) env =
      env_of ("AWS_CONTAINER_CREDENTIALS_FULL_URI", server->url,
              "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", path, NULL);
  g_autoptr (ScalingAwsCredentials) chain =
      scaling_aws_credentials_new (env, NULL);
  g_auto (Got) got = { 0 };

  ask (chain, &got);
  g_assert_nonnull (strstr (got.error->message, "cannot be read"));
  g_assert_true (g_file_set_contents (path, "from a file\n", -1, NULL));
  ask (chain, &got);
  g_assert_no_error (got.error);
  g_assert_cmpstr (stand_in_get_header (server, 0, "authorization"), ==,
                   "from a file");
  unlink (path);
  rmdir (home);
}

static void
test_metadata (void)
{
  static const StandInAnswer answers[] = {
    { 200, "TOKEN" },    { 200, "my role\n" }, /* a role has no blank */
    { 200, "TOKEN" },    { 401, NULL },        /* the token has ended at once */
    { 200, "TOKEN2\n" }, { 200, "my-role\nother" },
    { 200, KEYS },       { 404, NULL },
  };
  g_autoptr (StandIn) server = stand_in_new (answers, G_N_ELEMENTS (answers));
  g_auto (GStrv) env = env_of ("AWS_EC2_METADATA_SERVICE_ENDPOINT", server->url,
                               "HOME", "/nowhere", NULL);
  g_auto (GStrv) off = env_of ("AWS_EC2_METADATA_DISABLED", "True", NULL);
  g_autoptr (ScalingAwsCredentials) chain =
      scaling_aws_credentials_new (env, NULL);
  g_autoptr (ScalingAwsCredentials) none =
      scaling_aws_credentials_new (off, NULL);
  g_auto (Got) got = { 0 };

  ask (chain, &got);
  g_assert_nonnull (strstr (got.error->message, "names none"));
  ask (chain, &got);
  g_assert_no_error (got.error);
  g_assert_cmpstr (got.token, ==, "TK");
  g_assert_cmpstr (((StandInRequest *)server->requests->pdata[2])->method, ==,
                   "PUT");
  g_assert_cmpstr (
      stand_in_get_header (server, 4, "x-aws-ec2-metadata-token-ttl-seconds"),
      ==, "21600");
  g_assert_cmpstr (stand_in_get_header (server, 6, "x-aws-ec2-metadata-token"),
                   ==, "TOKEN2");
  g_assert_cmpstr (stand_in_get_path (server, 6), ==,
                   "/latest/meta-data/iam/security-credentials/my-role");
  scaling_aws_credentials_forget (chain);
  ask (chain, &got);
  /* all that was tried is named */
  g_assert_nonnull (strstr (got.error->message, "AWS_ACCESS_KEY_ID"));
  g_assert_nonnull (strstr (got.error->message, "/nowhere/.aws/credentials"));
  g_assert_nonnull (strstr (got.error->message, "AWS_CONTAINER_"));
  g_assert_nonnull (strstr (got.error->message, "answered 404"));
  ask (none, &got);
  g_assert_nonnull (strstr (got.error->message, "AWS_EC2_METADATA_DISABLED"));
}

/* dup_keys: (transfer full): that end in @us from now */
static char *
dup_keys (const char *access_key, gint64 us)
{
  g_autoptr (GDateTime) end = g_date_time_new_from_unix_utc (
      (g_get_real_time () + us) / G_USEC_PER_SEC);
  g_autofree char *text = g_date_time_format (end, "%Y-%m-%dT%H:%M:%SZ");

  return g_strdup_printf ("{\"AccessKeyId\": \"%s\", \"SecretAccessKey\": "
                          "\"S\", \"Expiration\": \"%s\"}",
                          access_key, text);
}

/* keys that end soon are renewed; while that fails they serve until they end */
static void
test_renewal (void)
{
  g_autofree char *first = dup_keys ("A1", SCALING_AWS_RENEW_US / 2);
  g_autofree char *second = dup_keys ("A2", SCALING_AWS_RENEW_US * 2);
  g_autofree char *over = dup_keys ("A3", -G_USEC_PER_SEC);
  StandInAnswer answers[] = { { 200, first }, { 500, NULL }, { 200, second } };
  StandInAnswer ended[] = { { 200, over }, { 500, NULL } };
  g_autoptr (StandIn) server = stand_in_new (answers, G_N_ELEMENTS (answers));
  g_auto (GStrv) env =
      env_of ("AWS_CONTAINER_CREDENTIALS_FULL_URI", server->url, NULL);
  g_autoptr (ScalingAwsCredentials) chain =
      scaling_aws_credentials_new (env, NULL);
  static const char *const expected[] = { "A1", "A1", "A2", "A2" };
  g_auto (Got) got = { 0 };

  for (guint i = 0; i < G_N_ELEMENTS (expected); i++)
    {
      ask (chain, &got);
      g_assert_cmpstr (got.access_key, ==, expected[i]);
    }
  g_assert_cmpuint (server->requests->len, ==, 3);
  stand_in_set (server, ended, G_N_ELEMENTS (ended));
  scaling_aws_credentials_forget (chain);
  ask (chain, &got);
  ask (chain, &got);
  g_assert_nonnull (got.error);
}

/* one that hangs costs its time-out, a long answer is cut, and who goes
 * meanwhile is not called */
static void
test_hang (void)
{
  g_autofree char *filler = g_strnfill (SCALING_AWS_ANSWER_MAX_BYTES + 1, ' ');
  StandInAnswer answers[] = { { 0, NULL }, { 200, filler }, { 0, NULL } };
  g_autoptr (StandIn) server = stand_in_new (answers, G_N_ELEMENTS (answers));
  g_auto (GStrv) env =
      env_of ("AWS_EC2_METADATA_SERVICE_ENDPOINT", server->url, NULL);
  ScalingAwsCredentials *chain = scaling_aws_credentials_new (env, NULL);
  gint64 begin_us = g_get_monotonic_time ();
  g_auto (Got) got = { 0 };

  ask (chain, &got);
  g_assert_error (got.error, SCALING_EXPORT_ERROR, SCALING_EXPORT_ERROR_AWAY);
  g_assert_nonnull (strstr (got.error->message, "no whole answer in 1.0 s"));
  g_assert_cmpint (g_get_monotonic_time () - begin_us, >=,
                   SCALING_AWS_IMDS_TIMEOUT_US);
  ask (chain, &got);
  g_assert_nonnull (strstr (got.error->message, "more than 65536 bytes"));
  scaling_aws_credentials_get (chain, on_keys, &got);
  WAIT_FOR (server->requests->len == 3);
  scaling_aws_credentials_free (chain);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_cmpuint (got.n_answers, ==, 2);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/scaling/aws-credentials/profile", test_profile);
  g_test_add_func ("/scaling/aws-credentials/json", test_json);
  g_test_add_func ("/scaling/aws-credentials/container-url",
                   test_container_url);
  g_test_add_func ("/scaling/aws-credentials/environment", test_environment);
  g_test_add_func ("/scaling/aws-credentials/files", test_files);
  g_test_add_func ("/scaling/aws-credentials/container", test_container);
  g_test_add_func ("/scaling/aws-credentials/token-file", test_token_file);
  g_test_add_func ("/scaling/aws-credentials/metadata", test_metadata);
  g_test_add_func ("/scaling/aws-credentials/renewal", test_renewal);
  g_test_add_func ("/scaling/aws-credentials/hang", test_hang);
  return g_test_run ();
}
