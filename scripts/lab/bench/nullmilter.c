/* nullmilter - a milter on libmilter that hears everything and does nothing: the peer "in C".
 *
 * nullmilter SOCKET MODE, where MODE is
 *   all      answers "continue" to every step (what a milter that looks at the message must do)
 *   noreply  hears every step, but asks the MTA not to wait for answers (SMFIP_NR_*)
 *   bare     asks the MTA to send nothing but the end of the message (SMFIP_NO*)
 */
#include <libmilter/mfapi.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define NO_REPLIES (SMFIP_NR_CONN | SMFIP_NR_HELO | SMFIP_NR_MAIL | SMFIP_NR_RCPT | SMFIP_NR_DATA \
                    | SMFIP_NR_UNKN | SMFIP_NR_HDR | SMFIP_NR_EOH | SMFIP_NR_BODY)

static int no_replies;

static sfsistat answer(void)
{
    return no_replies ? SMFIS_NOREPLY : SMFIS_CONTINUE;
}

static sfsistat on_negotiate(SMFICTX *ctx, unsigned long f0, unsigned long f1, unsigned long f2, unsigned long f3,
                             unsigned long *pf0, unsigned long *pf1, unsigned long *pf2, unsigned long *pf3)
{
    (void) ctx; (void) f2; (void) f3;
    *pf0 = f0;
    *pf1 = f1 & NO_REPLIES;
    *pf2 = *pf3 = 0;
    no_replies = *pf1 == NO_REPLIES;
    return SMFIS_CONTINUE;
}

static sfsistat on_connect(SMFICTX *ctx, char *host, _SOCK_ADDR *address) { (void) ctx; (void) host; (void) address; return answer(); }
static sfsistat on_text(SMFICTX *ctx, char *text) { (void) ctx; (void) text; return answer(); }
static sfsistat on_texts(SMFICTX *ctx, char **texts) { (void) ctx; (void) texts; return answer(); }
static sfsistat on_header(SMFICTX *ctx, char *name, char *value) { (void) ctx; (void) name; (void) value; return answer(); }
static sfsistat on_step(SMFICTX *ctx) { (void) ctx; return answer(); }
static sfsistat on_body(SMFICTX *ctx, unsigned char *chunk, size_t length) { (void) ctx; (void) chunk; (void) length; return answer(); }
static sfsistat on_end(SMFICTX *ctx) { (void) ctx; return SMFIS_CONTINUE; }

int main(int argc, char **argv)
{
    static struct smfiDesc milter = { .xxfi_name = "nullmilter", .xxfi_version = SMFI_VERSION, .xxfi_eom = on_end };
    if (argc != 3 || (strcmp(argv[2], "all") != 0 && strcmp(argv[2], "noreply") != 0 && strcmp(argv[2], "bare") != 0)) {
        fprintf(stderr, "nullmilter unix:PATH|inet:PORT@IP all|noreply|bare\n");
        return 2;
    }
    if (strcmp(argv[2], "bare") != 0) {
        milter.xxfi_connect = on_connect;
        milter.xxfi_helo = on_text;
        milter.xxfi_envfrom = on_texts;
        milter.xxfi_envrcpt = on_texts;
        milter.xxfi_data = on_step;
        milter.xxfi_header = on_header;
        milter.xxfi_eoh = on_step;
        milter.xxfi_body = on_body;
    }
    if (strcmp(argv[2], "noreply") == 0)
        milter.xxfi_negotiate = on_negotiate;
    umask(0);                   /* Postfix runs as another user */
    if (smfi_setconn(argv[1]) == MI_FAILURE || smfi_register(milter) == MI_FAILURE)
        return 1;
    return smfi_main() == MI_SUCCESS ? 0 : 1;
}
