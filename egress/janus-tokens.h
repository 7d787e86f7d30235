/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EgressJanusTokens: tokens that the Admin API stores, each with the plugins
 * that it opens. They are this node's and last as long as it runs.
 * Bounds: EGRESS_JANUS_MAX_TOKENS, EGRESS_JANUS_TOKEN_MAX_BYTES each.
 * Owner:  EgressJanus. Thread: main.
 */
#pragma once

#include "egress/janus.h"

#define EGRESS_JANUS_TOKEN_MAX_BYTES 4096

typedef struct _EgressJanusTokens EgressJanusTokens;

EgressJanusTokens *egress_janus_tokens_new (void);
void egress_janus_tokens_free (EgressJanusTokens *self);
/* Returns: %FALSE: there are too many, or it is too long */
gboolean egress_janus_tokens_add (EgressJanusTokens *self, const char *token);
gboolean egress_janus_tokens_remove (EgressJanusTokens *self,
                                     const char *token);
/* @token: (nullable) */
gboolean egress_janus_tokens_has (EgressJanusTokens *self, const char *token);
/* @plugin of a token that is there is allowed from now on, or no more */
void egress_janus_tokens_allow (EgressJanusTokens *self, const char *token,
                                const char *plugin, gboolean is_allowed);
gboolean egress_janus_tokens_is_allowed (EgressJanusTokens *self,
                                         const char *token, const char *plugin);
/* (transfer full): names of plugins */
JsonArray *egress_janus_tokens_dup_plugins (EgressJanusTokens *self,
                                            const char *token);
/* (transfer full): [{"token","allowed_plugins"}] */
JsonArray *egress_janus_tokens_list (EgressJanusTokens *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (EgressJanusTokens, egress_janus_tokens_free)
